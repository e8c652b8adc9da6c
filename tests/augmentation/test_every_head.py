"""DiffAugment and ADA serve every conditioning: both networks learn through them."""

from collections.abc import Callable

import pytest
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from contragan.augmentation import Augmentation
from contragan.augmentation.ada import AdaptiveAugmentation
from contragan.core.types import Terms
from contragan.data import BatchSource, LabelSampler, load_dataset
from contragan.models.heads.base import ConditioningSettings
from contragan.recipes.gan import build
from contragan.recipes.schema import load_recipe
from contragan.training.objective import Objective
from contragan.training.step import Step

CPU = torch.device("cpu")
RECIPES = [
    *("acgan", "biggan", "contragan-eq7-aps", "n-pair", "nt-xent", "pair", "proxy-nca", "reacgan"),
    *("triplet", "uncond-biggan"),
]
AUGMENTATIONS = {
    "diff_augment": "{kind: diff_augment}",
    "ada": "{kind: ada, groups: [blit, geometry, color], target: .6, ramp_images: 32, interval: 1}",
}


def all_conditionings() -> set[type[ConditioningSettings]]:
    names = (f"digits/{name}" for name in RECIPES)
    return {type(load_recipe(name).conditioning) for name in names}


def test_no_conditioning_is_forgotten() -> None:
    from contragan.models import heads
    from contragan.models.heads.metric_learning import NPairConfig, PairConfig, TripletConfig

    known = {value for name, value in vars(heads).items() if name.endswith("Config")}
    known |= {NPairConfig, PairConfig, TripletConfig}
    known = {one for one in known if isinstance(one, type) and one is not ConditioningSettings}
    assert all_conditionings() == known


def step_of(name: str, augmentation: str, tiny: list[str]) -> Step:
    small = [setting for setting in tiny if "shared_dim" not in setting]
    recipe = load_recipe(f"digits/{name}", [*small, f"augmentation={AUGMENTATIONS[augmentation]}"])
    gan = build(recipe, 10, seed=0)
    train = load_dataset(recipe.data, "train", root=None)
    size = recipe.training.batch_size
    assert recipe.augmentation is not None
    return Step(
        fabric=Fabric(accelerator="cpu", precision="32-true"),
        gan=gan,
        objective=Objective(recipe.adversarial, gan.head, recipe.regularizers),
        discriminator_optimizer=torch.optim.SGD(gan.discriminator.parameters(), lr=0.01),
        generator_optimizer=torch.optim.SGD(gan.generator.parameters(), lr=0.01),
        source=BatchSource(train, CPU, seed=0, horizontal_flip=False, batch_size=size),
        labels=LabelSampler(train.class_counts, "uniform", CPU),
        seed=0,
        batch_size=size,
        accumulation_steps=1,
        discriminator_steps=1,
        augmentation=recipe.augmentation.build(CPU),
    )


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def plain(step: Step) -> Terms:
    """The terms of the same D update without augmentation."""
    with torch.no_grad():
        step.gan.discriminator.requires_grad_(False)
    kept, step.augmentation = step.augmentation, Augmentation()
    terms = step._discriminator_part(0, 0, step.fetch(0)[0])
    step.augmentation = kept
    step.gan.discriminator.requires_grad_(True)
    return terms


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize("name", RECIPES)
def test_both_networks_learn_through_it(name: str, augmentation: str, tiny: list[str]) -> None:
    step = step_of(name, augmentation, tiny)
    if isinstance(step.augmentation, AdaptiveAugmentation):
        step.augmentation.probability.fill_(1.0)
    without = plain(step)
    updates: list[tuple[nn.Module, Callable[[], dict[str, Tensor]]]] = [
        (step.gan.discriminator, lambda: step.discriminator_step(0, step.fetch(0))),
        (step.gan.generator, lambda: step.generator_step(0)),
    ]
    for network, update in updates:
        before = weights(network)
        terms = update()
        assert all(torch.isfinite(term) for term in terms.values())
        after = weights(network)
        # Attention begins with a gain of 0, which is all that learns of it at first.
        learns = [key for key in before if "attention" not in key or "gain" in key]
        same = {key for key in learns if torch.equal(before[key], after[key])}
        assert same <= {"head.adversarial.bias"}  # whose gradients from real and fake cancel
        if network is step.gan.discriminator:
            assert terms.keys() == without.keys()
            assert all(not torch.equal(terms[key], without[key].detach()) for key in terms)
    if isinstance(step.augmentation, AdaptiveAugmentation):
        (probability,) = step.augmentation.readings().values()
        assert probability == pytest.approx(0.5)  # 16 of 32 images, downwards: D is not yet sure
