"""Whole updates against the same update written out: which images, which labels, which weights."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from reference import steps as slow
from reference.embedding_losses import augmented_contrastive
from torch import Tensor, nn

from contragan.augmentation import Augmentation
from contragan.augmentation.ada import AdaptiveConfig
from contragan.augmentation.diff_augment import DiffAugmentConfig
from contragan.core.transforms import flip_and_shift
from contragan.data import BatchSource, LabelSampler, load_dataset
from contragan.losses.regularizers.weight_clipping import WeightClipping
from contragan.models.heads.contrastive import ContrastiveConfig
from contragan.recipes.gan import build
from contragan.recipes.schema import Recipe, load_recipe
from contragan.training.objective import Objective
from contragan.training.step import Step

CPU = torch.device("cpu")
CLOSE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}
RATE = 0.05
D_STEP, G_STEP = "discriminator step", "generator step"
SETTINGS = [
    # Without spectral norm a plain pass changes nothing but batch-norm statistics.
    "generator.spectral_norm=false",
    "discriminator.spectral_norm=false",
    "regularizers=[{kind: consistency, weight: 3}]",
    "training.batch_size=8",
]


class Tint(Augmentation):
    """Mirrors and darkens: plain to see where it is missing, or applied twice."""

    def __init__(self) -> None:
        self.observed: list[Tensor] = []
        self.adapted = 0

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        return tinted(images)

    def observe(self, real_logit: Tensor) -> None:
        self.observed.append(real_logit.detach())

    def adapt(self) -> None:
        self.adapted += 1


def tinted(images: Tensor) -> Tensor:
    return 0.5 * images.flip(3) - 0.3


def recipe_of(tiny: list[str]) -> Recipe:
    return load_recipe("digits/contragan-eq7", [*tiny, *SETTINGS])


def make(recipe: Recipe, augmentation: Augmentation, parts: int = 1) -> Step:
    gan = build(recipe, 10, seed=0)
    train = load_dataset(recipe.data, "train", root=None)
    size = recipe.training.batch_size
    return Step(
        fabric=Fabric(accelerator="cpu", precision="32-true"),
        gan=gan,
        objective=Objective(recipe.adversarial, gan.head, recipe.regularizers),
        discriminator_optimizer=torch.optim.SGD(gan.discriminator.parameters(), lr=RATE),
        generator_optimizer=torch.optim.SGD(gan.generator.parameters(), lr=RATE),
        source=BatchSource(train, CPU, seed=0, horizontal_flip=False, batch_size=size // parts),
        labels=LabelSampler(train.class_counts, "uniform", CPU),
        seed=0,
        batch_size=size,
        accumulation_steps=parts,
        discriminator_steps=1,
        augmentation=augmentation,
    )


def proxies(discriminator: nn.Module) -> Tensor:
    return discriminator.head.embedding.weight  # type: ignore[union-attr, return-value]


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.named_parameters()}


@pytest.mark.parametrize("parts", [1, 2])
def test_both_updates(tiny: list[str], parts: int) -> None:
    recipe = recipe_of(tiny)
    tint = Tint()
    step = make(recipe, tint, parts)
    generator, discriminator = deepcopy(step.gan.generator), deepcopy(step.gan.discriminator)
    assert isinstance(recipe.conditioning, ContrastiveConfig)
    temperature = recipe.conditioning.temperature
    count = recipe.training.batch_size // parts
    update = 3

    losses, logits = [], []
    for part in range(parts):
        real = step.source.batch((update * parts + part) * count, count)
        draw = step.draw(update, part, D_STEP)
        seen = tinted(real.images)
        copies = flip_and_shift(seen, step.random(update, part, D_STEP, "consistency real"))
        logits.append(discriminator(seen, real.labels).logit)
        losses.append(
            slow.discriminator_loss(
                discriminator,
                (seen, real.labels),
                (tinted(generator(draw.latent, draw.label)), draw.label),
                proxies=proxies(discriminator),
                temperature=temperature,
                consistency=(3, copies),
            )
        )
    loss = torch.stack(losses).mean()
    expected = slow.descend(discriminator, loss, RATE)
    terms = step.discriminator_step(update, step.fetch(update))
    torch.testing.assert_close(torch.stack(list(terms.values())).sum(), loss.detach(), **CLOSE)
    torch.testing.assert_close(weights(step.gan.discriminator), expected, **CLOSE)
    # Adaptive augmentation hears of real images, part by part, and adapts once an update.
    torch.testing.assert_close(tint.observed, logits, **CLOSE)
    assert tint.adapted == 1

    # The G step looks through the discriminator as it is now.
    discriminator.load_state_dict(step.gan.discriminator.state_dict())
    losses = []
    for part in range(parts):
        draw = step.draw(update, part, G_STEP)
        losses.append(
            slow.generator_loss(
                discriminator,
                (tinted(generator(draw.latent, draw.label)), draw.label),
                proxies=proxies(discriminator),
                temperature=temperature,
            )
        )
    loss = torch.stack(losses).mean()
    expected = slow.descend(generator, loss, RATE)
    terms = step.generator_step(update)
    torch.testing.assert_close(torch.stack(list(terms.values())).sum(), loss.detach(), **CLOSE)
    torch.testing.assert_close(weights(step.gan.generator), expected, **CLOSE)
    # Both saw the same batches through the same networks: so did their running statistics.
    found, plain = step.gan.generator.state_dict(), generator.state_dict()
    torch.testing.assert_close(
        {name: value for name, value in found.items() if "running" in name},
        {name: value for name, value in plain.items() if "running" in name},
        **CLOSE,
    )


def test_weights_are_clipped_after_an_update_of_the_discriminator(tiny: list[str]) -> None:
    recipe = load_recipe("digits/wgan", [t for t in tiny if "shared_dim" not in t])
    step = make(recipe, Augmentation())
    before = weights(step.gan.generator)
    step.discriminator_step(0, step.fetch(0))
    (clipping,) = recipe.regularizers
    assert isinstance(clipping, WeightClipping)
    largest = max(value.abs().max() for value in weights(step.gan.discriminator).values())
    assert largest.item() == pytest.approx(clipping.bound)
    torch.testing.assert_close(weights(step.gan.generator), before, rtol=0, atol=0)
    assert max(value.abs().max() for value in before.values()) > 2 * largest


def test_penalties_join_the_loss_of_their_own_step(tiny: list[str]) -> None:
    """bCR stands in D's loss, zCR in both, with opposite signs."""
    step = make(load_recipe("digits/icrgan", tiny), Augmentation())
    terms = step.discriminator_step(0, step.fetch(0))
    balanced = {"balanced_consistency_real", "balanced_consistency_fake"}
    assert terms.keys() == {"adversarial", "latent_consistency", *balanced}
    assert all(terms[name] > 0 for name in terms)
    terms = step.generator_step(0)
    assert terms.keys() == {"adversarial", "latent_consistency"}
    assert terms["latent_consistency"] < 0


def test_augmented_positives_are_the_views_of_the_same_images(tiny: list[str]) -> None:
    """The D step's second view: the batch, flipped and shifted, with its own labels."""
    recipe = load_recipe("digits/contragan-eq7-aps", [*tiny, *SETTINGS[:2], *SETTINGS[3:]])
    step = make(recipe, Augmentation())
    discriminator = deepcopy(step.gan.discriminator)
    real = step.fetch(0)
    (batch,) = real
    draw = step.draw(0, 0, D_STEP)
    fake = deepcopy(step.gan.generator)(draw.latent, draw.label).detach()
    copies = flip_and_shift(batch.images, step.random(0, 0, D_STEP, "view"))
    assert (copies - batch.images).abs().mean() > 0.05
    on_real, on_fake = discriminator(batch.images, batch.labels), discriminator(fake, draw.label)
    hinge = (1 - on_real.logit).clamp(min=0).mean() + (1 + on_fake.logit).clamp(min=0).mean()
    settings = recipe.conditioning
    assert isinstance(settings, ContrastiveConfig)
    assert settings.augmented_positives is not None
    proxy = proxies(discriminator)[batch.labels] if settings.augmented_positives.proxy else None
    loss = hinge + augmented_contrastive(
        on_real.embedding,
        proxy,
        discriminator(copies, batch.labels).embedding,
        batch.labels.tolist(),
        settings.temperature,
        settings.positives_in_numerator,
    )
    expected = slow.descend(discriminator, loss, RATE)
    step.discriminator_step(0, real)
    torch.testing.assert_close(weights(step.gan.discriminator), expected, **CLOSE)


def adaptive() -> Augmentation:
    augmentation = AdaptiveConfig(
        kind="ada", groups=("blit", "color"), target=0.6, ramp_images=100, interval=1
    ).build(CPU)
    augmentation.probability.fill_(0.8)
    return augmentation


@pytest.mark.parametrize("kind", ["diff_augment", "ada"])
def test_what_the_discriminator_sees_is_augmented(
    tiny: list[str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real and generated images in the D step, generated ones in the G step, with their labels."""
    augmentation = (
        adaptive()
        if kind == "ada"
        else DiffAugmentConfig(
            kind="diff_augment", policy=("color", "translation", "cutout")
        ).build(CPU)
    )
    recipe = load_recipe("digits/projgan", [t for t in tiny if "shared_dim" not in t])
    step = make(recipe, augmentation)
    seen: list[Tensor] = []
    labels: list[Tensor] = []
    through = type(step.gan.discriminator).forward

    def look(network: nn.Module, images: Tensor, label: Tensor) -> object:
        seen.append(images.detach().clone())
        labels.append(label)
        return through(network, images, label)  # type: ignore[arg-type]

    generator = deepcopy(step.gan.generator)
    monkeypatch.setattr(type(step.gan.discriminator), "forward", look)
    real = step.fetch(0)
    draw = step.draw(0, 0, D_STEP)
    fake = generator(draw.latent, draw.label).detach()
    expected = [
        augmentation(real[0].images, step.random(0, 0, D_STEP, "augment real")),
        augmentation(fake, step.random(0, 0, D_STEP, "augment fake")),
    ]
    step.discriminator_step(0, real)
    torch.testing.assert_close(torch.cat(seen), torch.cat(expected), **CLOSE)
    assert torch.equal(torch.cat(labels), torch.cat([real[0].labels, draw.label]))
    for plain, augmented in zip((real[0].images, fake), expected, strict=True):
        assert (plain - augmented).abs().mean() > 0.05

    seen.clear()
    labels.clear()
    draw = step.draw(0, 0, G_STEP)
    generator.load_state_dict(step.gan.generator.state_dict())
    fake = generator(draw.latent, draw.label).detach()
    step.generator_step(0)
    torch.testing.assert_close(
        torch.cat(seen), augmentation(fake, step.random(0, 0, G_STEP, "augment fake")), **CLOSE
    )
    assert torch.equal(torch.cat(labels), draw.label)
    assert (fake - seen[0]).abs().mean() > 0.05
