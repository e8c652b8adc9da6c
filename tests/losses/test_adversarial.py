"""Adversarial losses against their formulas, in float64 by hand."""

import math

import pytest
import torch
from pydantic import TypeAdapter

from contragan.losses.adversarial import AdversarialLoss

ADAPTER: TypeAdapter[AdversarialLoss] = TypeAdapter(AdversarialLoss)
REAL, FAKE = [1.5, -0.25, 0.0], [-2.0, 0.5, 3.0]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


FORMULAS = {
    "vanilla": (
        mean([math.log1p(math.exp(-x)) for x in REAL])
        + mean([math.log1p(math.exp(x)) for x in FAKE]),
        mean([math.log1p(math.exp(-x)) for x in FAKE]),
    ),
    "least_squares": (
        mean([0.5 * (x - 1) ** 2 for x in REAL]) + mean([0.5 * x**2 for x in FAKE]),
        mean([0.5 * (x - 1) ** 2 for x in FAKE]),
    ),
    "hinge": (
        mean([max(0.0, 1 - x) for x in REAL]) + mean([max(0.0, 1 + x) for x in FAKE]),
        -mean(FAKE),
    ),
    "wasserstein": (mean(FAKE) - mean(REAL), -mean(FAKE)),
}


@pytest.mark.parametrize("kind", FORMULAS)
def test_value(kind: str) -> None:
    loss = ADAPTER.validate_python({"kind": kind})
    discriminator, generator = FORMULAS[kind]
    real, fake = torch.tensor(REAL), torch.tensor(FAKE)
    assert float(loss.discriminator(real, fake)) == pytest.approx(discriminator, rel=1e-6)
    assert float(loss.generator(fake)) == pytest.approx(generator, rel=1e-6)


@pytest.mark.parametrize("kind", FORMULAS)
def test_large_logits_stay_finite(kind: str) -> None:
    loss = ADAPTER.validate_python({"kind": kind})
    real = torch.tensor([1e4, -1e4], requires_grad=True)
    fake = torch.tensor([1e4, -1e4], requires_grad=True)
    total = loss.discriminator(real, fake) + loss.generator(fake)
    total.backward()
    assert torch.isfinite(total)
    for sample in (real, fake):
        assert sample.grad is not None
        assert torch.isfinite(sample.grad).all()
