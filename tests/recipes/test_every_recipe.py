"""Every packaged recipe: size, and two tiny updates in which each parameter learns."""

import pytest
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from contragan.augmentation import Augmentation
from contragan.core.randomness import random_generator
from contragan.core.types import Batch
from contragan.recipes.catalog import recipe_names
from contragan.recipes.gan import build
from contragan.recipes.schema import Recipe, load_recipe
from contragan.training.objective import Objective
from contragan.training.step import Step

BATCH, CLASSES = 4, 3

PARAMETERS = {
    "cifar10/contragan": (9.416, 2.517),
    "cifar10/contragan-eq7": (9.416, 2.517),
    "cifar10/biggan": (9.416, 2.415),
    "cifar10/acgan-biggan": (9.416, 2.415),
    "cifar10/crgan": (9.416, 2.415),
    "cifar10/biggan-2020-10": (9.416, 2.415),
    "cifar10/contragan-2020-10": (9.416, 2.517),
    "cifar10/contragan-resgan": (4.304, 1.125),
    "cifar10/sagan": (4.386, 1.076),
    "cifar10/contragan-dcgan": (3.820, 3.196),
    "cifar10/projgan-dcgan": (3.820, 2.933),
    "cifar10/dcgan": (3.812, 2.931),
    "tiny-imagenet/biggan": (17.335, 30.797),
    "tiny-imagenet/crgan-1024": (17.335, 30.797),
    "tiny-imagenet/contragan": (17.335, 31.678),
    "tiny-imagenet/contragan-aps": (17.335, 31.678),
    "tiny-imagenet/contragan-cr-1024": (17.335, 31.678),
    "tiny-imagenet/sngan": (13.367, 19.748),
    "tiny-imagenet/sagan": (13.387, 19.753),
}
"""Published millions of parameters of G and D."""


@pytest.mark.parametrize("name", PARAMETERS)
def test_number_of_parameters(name: str) -> None:
    recipe = load_recipe(name)
    classes = {"cifar10": 10, "tiny_imagenet": 200}[recipe.data.kind]
    with torch.device("meta"):
        gan = build(recipe, classes, seed=0)
    counts = [
        sum(p.numel() for p in network.parameters()) / 1e6
        for network in (gan.generator, gan.discriminator)
    ]
    assert counts == pytest.approx(list(PARAMETERS[name]), abs=6e-4)


def test_number_of_parameters_of_the_unconditional_biggan() -> None:
    with torch.device("meta"):
        gan = build(load_recipe("cifar10/uncond-biggan"), 10, seed=0)
    unread = 10 * 128  # class embeddings that the published generator holds and does not use
    count = sum(p.numel() for p in gan.generator.parameters()) + unread
    assert count / 1e6 == pytest.approx(8.739, abs=6e-4)


class RandomImages:
    def __init__(self, recipe: Recipe) -> None:
        self.shape = recipe.data.image_shape

    def batch(self, position: int, count: int) -> Batch:
        random = random_generator(torch.device("cpu"), position, "image")
        images = torch.rand(count, *self.shape, generator=random) * 2 - 1
        return Batch(images, torch.arange(count) % CLASSES)

    def close(self) -> None:
        pass


class FewLabels:
    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.arange(count) % CLASSES


class Watched(torch.optim.SGD):
    """Remembers the size of each parameter's gradient; None where it had none."""

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        (group,) = self.param_groups
        self.seen = [None if p.grad is None else p.grad.abs().sum().item() for p in group["params"]]
        super().step(closure)


def tiny_step(name: str) -> Step:
    text = load_recipe(name)
    shared = ["generator.shared_dim=8"] if text.generator.kind == "biggan" else []
    embeds = ["conditioning.embedding_dim=8"] if hasattr(text.conditioning, "embedding_dim") else []
    recipe = load_recipe(
        name,
        [
            "generator.channels=8",
            "generator.latent_dim=60",
            "discriminator.channels=8",
            f"training.batch_size={BATCH}",
            "training.accumulation_steps=1",
            *shared,
            *embeds,
        ],
    )
    gan = build(recipe, CLASSES, seed=0)
    for network in (gan.generator, gan.discriminator):
        for key, parameter in network.named_parameters():
            if key.endswith("attention.gate"):
                nn.init.constant_(parameter, 0.5)  # closed, it keeps the layer from learning
    device = torch.device("cpu")
    return Step(
        fabric=Fabric(accelerator="cpu", precision="32-true"),
        gan=gan,
        objective=Objective(recipe.adversarial, gan.head, recipe.regularizers),
        discriminator_optimizer=Watched(gan.discriminator.parameters(), lr=1e-4),
        generator_optimizer=Watched(gan.generator.parameters(), lr=1e-4),
        source=RandomImages(recipe),
        labels=FewLabels(),
        seed=0,
        batch_size=BATCH,
        accumulation_steps=1,
        discriminator_steps=1,
        augmentation=recipe.augmentation.build(device) if recipe.augmentation else Augmentation(),
    )


def without_gradient(network: nn.Module, optimizer: torch.optim.Optimizer) -> set[str]:
    assert isinstance(optimizer, Watched)
    names = [name for name, _ in network.named_parameters()]
    return {name for name, size in zip(names, optimizer.seen, strict=True) if not size}


@pytest.mark.parametrize("name", recipe_names())
def test_every_parameter_learns_in_its_own_step_and_only_there(name: str) -> None:
    step = tiny_step(name)
    discriminator, generator = step.gan.discriminator, step.gan.generator
    # A difference of mean scores does not depend on what is added to all of them.
    shift = {"head.adversarial.bias"}
    # One update of each network is enough of the large ones: the second runs the same code.
    for update in range(2 if name.startswith(("cifar10", "digits")) else 1):
        terms = step.discriminator_step(update, step.fetch(update))
        assert without_gradient(discriminator, step.discriminator_optimizer) <= shift
        assert all(p.grad is None for p in generator.parameters())
        terms |= {f"g {k}": v for k, v in step.generator_step(update).items()}
        assert without_gradient(generator, step.generator_optimizer) == set()
        assert all(p.grad is None for p in discriminator.parameters())
        assert all(p.requires_grad for p in discriminator.parameters())
        assert all(value.isfinite() and not value.requires_grad for value in terms.values())
