"""Every regulariser against a slow transcription: value, and gradient by the weights."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from reference import penalties as slow
from torch import Tensor, nn

from contragan.core.randomness import random_generator
from contragan.core.transforms import flip_and_shift, indexed_flip_and_shift
from contragan.core.types import Batch, DiscriminatorOutput
from contragan.losses.regularizers import Context, DiscriminatorContext, Regularizer
from contragan.losses.regularizers.consistency import (
    BalancedConsistency,
    Consistency,
    LatentConsistency,
)
from contragan.losses.regularizers.dragan import DRAGANPenalty
from contragan.losses.regularizers.gradient_penalty import GradientPenalty
from contragan.losses.regularizers.latent_optimization import LatentOptimization
from contragan.losses.regularizers.r1 import R1
from contragan.losses.regularizers.weight_clipping import WeightClipping

CPU = torch.device("cpu")
EXACT: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-12}
COUNT, SIDE = 4, 8


class Critic(nn.Module):
    """A smooth little discriminator in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.embed = nn.Linear(3, 5)
        self.score = nn.Linear(3, 1)
        self.double()

    def forward(self, images: Tensor, label: Tensor) -> DiscriminatorOutput:
        feature = self.conv(images).tanh().sum((2, 3))
        return DiscriminatorOutput(
            logit=self.score(feature.sin()).squeeze(1), label=label, embedding=self.embed(feature)
        )


class Painter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2 * SIDE * SIDE).double()

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return self.linear(z).tanh().unflatten(1, (2, SIDE, SIDE))  # type: ignore[no-any-return]


def critic_of(context: Context) -> Critic:
    assert isinstance(context.discriminator, Critic)
    return context.discriminator


def painter_of(context: Context) -> Painter:
    assert isinstance(context.generator, Painter)
    return context.generator


def random(purpose: str) -> torch.Generator:
    return random_generator(CPU, 0, purpose)


@pytest.fixture
def context() -> DiscriminatorContext:
    torch.manual_seed(0)
    critic, painter = Critic(), Painter()
    label = torch.zeros(COUNT, dtype=torch.long)
    real = Batch(torch.rand(COUNT, 2, SIDE, SIDE, dtype=torch.float64), label)
    latent = torch.randn(COUNT, 3, dtype=torch.float64)
    generated = painter(latent, label)
    fake = Batch(generated.detach(), label)
    return DiscriminatorContext(
        generator=painter,
        discriminator=critic,
        augment=lambda images, purpose: images,
        random=random,
        latent=latent,
        generated=generated,
        fake=fake,
        fake_output=critic(fake.images, label),
        real=real,
        real_output=critic(real.images, label),
    )


def single(context: Context) -> Callable[[Tensor], Tensor]:
    label = torch.zeros(1, dtype=torch.long)
    return lambda image: context.discriminator(image[None], label).logit[0]


def agree(context: DiscriminatorContext, regularizer: Regularizer, expected: Tensor) -> None:
    (value,) = regularizer.discriminator_penalty(context).values()
    torch.testing.assert_close(value, expected, **EXACT)
    # Slopes depend on every weight but the last bias.
    weights = [critic_of(context).conv.weight, critic_of(context).score.weight]
    mine = torch.autograd.grad(value, weights, retain_graph=True)
    theirs = torch.autograd.grad(expected, weights)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, **EXACT)
    assert all(g.abs().max() > 0 for g in mine)


def test_gradient_penalty(context: DiscriminatorContext) -> None:
    share = torch.rand(COUNT, 1, 1, 1, generator=random("gradient penalty")).double()
    expected = 10 * slow.gradient_penalty(
        single(context), context.real.images, context.fake.images, share
    )
    agree(context, GradientPenalty(kind="gradient_penalty", weight=10), expected)


@pytest.mark.parametrize("form", ["paper", "studiogan"])
def test_dragan(context: DiscriminatorContext, form: str) -> None:
    draws = random("dragan")
    uniform = torch.rand(context.real.images.shape, generator=draws).double()
    alpha = torch.ones(COUNT, dtype=torch.float64)
    if form == "studiogan":
        alpha = torch.rand(COUNT, 1, 1, 1, generator=draws).double()
    expected = 10 * slow.dragan(single(context), context.real.images, uniform, alpha)
    agree(context, DRAGANPenalty(kind="dragan", weight=10, form=form), expected)


def test_r1(context: DiscriminatorContext) -> None:
    expected = slow.r1(single(context), context.real.images, 3.0)
    agree(context, R1(kind="r1", weight=3.0), expected)


@pytest.mark.parametrize("kind", [GradientPenalty, DRAGANPenalty, R1])
def test_penalties_pass_gradcheck(
    context: DiscriminatorContext, kind: type[GradientPenalty | DRAGANPenalty | R1]
) -> None:
    regularizer = kind(kind=kind.model_fields["kind"].annotation.__args__[0], weight=1.0)  # type: ignore[union-attr]
    critic = critic_of(context)

    def penalty(weight: Tensor) -> Tensor:
        def forward(images: Tensor, label: Tensor) -> DiscriminatorOutput:
            parameters = {"conv.weight": weight}
            return torch.func.functional_call(critic, parameters, (images, label))  # type: ignore[no-any-return]

        wrapped = replace(context, discriminator=forward)  # type: ignore[arg-type]
        return next(iter(regularizer.discriminator_penalty(wrapped).values()))

    weight = critic.conv.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(penalty, weight)


def test_a_flat_critic_has_a_finite_penalty_and_gradient(context: DiscriminatorContext) -> None:
    nn.init.zeros_(critic_of(context).score.weight)
    for regularizer in (
        GradientPenalty(kind="gradient_penalty", weight=1),
        DRAGANPenalty(kind="dragan", weight=1),
    ):
        (value,) = regularizer.discriminator_penalty(context).values()
        assert value.item() == pytest.approx(1.0)
        gradient = torch.autograd.grad(value, critic_of(context).conv.weight)[0]
        assert gradient.isfinite().all()


def test_second_order_penalties_are_float32_under_bf16(context: DiscriminatorContext) -> None:
    critic = context.discriminator.float()
    real = Batch(context.real.images.float(), context.real.labels)
    narrow = replace(context, real=real, fake=Batch(real.images.flip(0), real.labels))
    regularizer = GradientPenalty(kind="gradient_penalty", weight=10)
    (expected,) = regularizer.discriminator_penalty(narrow).values()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert critic(real.images, real.labels).logit.dtype == torch.bfloat16
        (value,) = regularizer.discriminator_penalty(narrow).values()
    torch.testing.assert_close(value, expected, rtol=0, atol=0)


def transformed(images: Tensor, purpose: str) -> Tensor:
    draws = random(purpose)
    down, right = (torch.randint(-1, 2, (COUNT, 1), generator=draws) for _ in range(2))
    mirror = torch.rand(COUNT, generator=draws) < 0.5
    return torch.stack(
        [
            slow.flipped_and_shifted(image, int(down[i]), int(right[i]), bool(mirror[i]))
            for i, image in enumerate(images)
        ]
    )


def squared(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b) ** 2).sum() / a.numel()


def change(context: DiscriminatorContext, images: Tensor, copies: Tensor) -> Tensor:
    label = context.real.labels
    one, two = context.discriminator(images, label), context.discriminator(copies, label)
    return squared(one.logit, two.logit) + squared(one.embedding, two.embedding)


def test_flip_and_shift(context: DiscriminatorContext) -> None:
    images = context.real.images.requires_grad_()
    torch.testing.assert_close(
        flip_and_shift(images, random("any")), transformed(images, "any"), rtol=0, atol=0
    )
    assert torch.autograd.gradcheck(
        lambda x: flip_and_shift(x, random("any")), images[:1].detach().requires_grad_()
    )


def test_consistency(context: DiscriminatorContext) -> None:
    copies = transformed(context.real.images, "consistency real")
    terms = Consistency(kind="consistency", weight=10).discriminator_penalty(context)
    expected = 10 * change(context, context.real.images, copies)
    torch.testing.assert_close(terms["consistency"], expected, **EXACT)
    weight = critic_of(context).conv.weight
    torch.testing.assert_close(
        torch.autograd.grad(terms["consistency"], weight)[0],
        torch.autograd.grad(expected, weight)[0],
        **EXACT,
    )


def test_consistency_also_compares_class_logits(context: DiscriminatorContext) -> None:
    copies = transformed(context.real.images, "consistency real")
    plain, head = context.discriminator, nn.Linear(2 * SIDE * SIDE, 4).double()

    def classify(images: Tensor, label: Tensor) -> DiscriminatorOutput:
        output: DiscriminatorOutput = plain(images, label)
        return replace(output, class_logits=head(images.flatten(1)))

    label = context.real.labels
    real_output = classify(context.real.images, label)
    wrapped = replace(context, discriminator=classify, real_output=real_output)  # type: ignore[arg-type]
    terms = Consistency(kind="consistency", weight=10).discriminator_penalty(wrapped)
    one, two = head(context.real.images.flatten(1)), head(copies.flatten(1))
    expected = 10 * (change(context, context.real.images, copies) + squared(one, two))
    torch.testing.assert_close(terms["consistency"], expected, **EXACT)


def test_consistency_by_index_copies_an_image_the_same_way_each_time(
    context: DiscriminatorContext,
) -> None:
    index = torch.tensor([3, 21, 3, 11])
    real = replace(context.real, index=index)
    fixed = Consistency(kind="consistency", weight=10, transform="indexed")
    terms = fixed.discriminator_penalty(replace(context, real=real))
    copies = indexed_flip_and_shift(context.real.images, index)
    expected = 10 * change(context, context.real.images, copies)
    torch.testing.assert_close(terms["consistency"], expected, **EXACT)


@pytest.mark.parametrize("sides", [(8, 8), (16, 24)])
def test_indexed_flip_and_shift_against_padding_and_cropping(sides: tuple[int, int]) -> None:
    height, width = sides
    images = np.random.default_rng(0).normal(size=(40, 2, height, width))
    expected = []
    for index, image in enumerate(images):
        mirrored, rest = index % 18 < 9, index % 9
        column, row = divmod(rest, 3)
        down, right = height // 8, width // 8
        whole = image[:, :, ::-1] if mirrored else image
        padded = np.pad(whole, [(0, 0), (down, down), (right, right)], mode="reflect")
        top, left = row * down, column * right
        expected.append(padded[:, top : top + height, left : left + width])
    found = indexed_flip_and_shift(torch.from_numpy(images), torch.arange(40))
    torch.testing.assert_close(found.numpy(), np.stack(expected), rtol=0, atol=0)


def test_balanced_consistency(context: DiscriminatorContext) -> None:
    regularizer = BalancedConsistency(kind="balanced_consistency", real_weight=10, fake_weight=3)
    terms = regularizer.discriminator_penalty(context)
    for name, weight, images in (("real", 10, context.real.images), ("fake", 3, context.generated)):
        copies = transformed(images, f"consistency {name}")
        torch.testing.assert_close(
            terms[f"balanced_consistency_{name}"], weight * change(context, images, copies), **EXACT
        )


def test_latent_consistency(context: DiscriminatorContext) -> None:
    regularizer = LatentConsistency(
        kind="latent_consistency", sigma=0.05, generator_weight=0.5, discriminator_weight=20
    )
    noise = torch.randn(COUNT, 3, generator=random("latent consistency")).double()
    label = context.fake.labels
    near = context.generator(context.latent + 0.05 * noise, label)
    (value,) = regularizer.discriminator_penalty(context).values()
    torch.testing.assert_close(value, 20 * change(context, context.fake.images, near), **EXACT)
    value.backward()
    assert painter_of(context).linear.weight.grad is None
    (value,) = regularizer.generator_penalty(context).values()
    torch.testing.assert_close(value, -0.5 * squared(context.generated, near), **EXACT)
    value.backward()
    gradient = painter_of(context).linear.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


def test_weight_clipping(context: DiscriminatorContext) -> None:
    before = [p.detach().clone() for p in context.discriminator.parameters()]
    WeightClipping(kind="weight_clipping", bound=0.1).after_update(context.discriminator)
    for old, new in zip(before, context.discriminator.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), torch.clamp(old, -0.1, 0.1), rtol=0, atol=0)
    assert max(p.abs().max() for p in before) > 0.1


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_latent_optimization_takes_every_step_and_differentiates_through_it(
    context: DiscriminatorContext, steps: int
) -> None:
    regularizer = LatentOptimization(
        kind="latent_optimization", steps=steps, rate=0.6, alpha=0.9, beta=0.1, cost_weight=0.1
    )
    latent, terms = regularizer.optimize_latents(context, context.latent, context.fake.labels)
    draws = random("latent optimization")
    moves = [torch.rand(COUNT, 1, generator=draws)[:, 0] < 0.6 for _ in range(steps)]
    label = torch.zeros(1, dtype=torch.long)

    def score(z: Tensor) -> Tensor:
        return context.discriminator(context.generator(z[None], label), label).logit[0]  # type: ignore[no-any-return]

    expected, cost = slow.optimized_latents(score, context.latent, 0.9, 0.1, moves)
    torch.testing.assert_close(latent, expected, **EXACT)
    torch.testing.assert_close(terms["latent_cost"], 0.1 * cost, **EXACT)
    weights = [critic_of(context).conv.weight, painter_of(context).linear.weight]
    mine = torch.autograd.grad(latent.sin().sum() + terms["latent_cost"], weights)
    theirs = torch.autograd.grad(expected.sin().sum() + 0.1 * cost, weights)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, **EXACT)


def test_latent_optimization_clips_where_asked(context: DiscriminatorContext) -> None:
    regularizer = LatentOptimization(
        kind="latent_optimization",
        steps=2,
        rate=1.0,
        alpha=0.9,
        beta=0.1,
        cost_weight=0.1,
        clip=0.5,
    )
    latent, _ = regularizer.optimize_latents(context, context.latent, context.fake.labels)
    assert latent.abs().max().item() == pytest.approx(0.5)
