"""Our step against the plain one: the same mathematics, from the same draws."""

from collections.abc import Mapping
from statistics import median

import pytest
import torch
from rich.console import Console
from torch import Tensor

from contragan.bench.measure import BenchRequest, our_step, plain_step, set_up
from contragan.bench.reference import ReferenceStep
from contragan.core.types import Terms
from contragan.models.layers.factory import SharedWeights
from contragan.models.layers.spectral_norm import SpectralNorm
from contragan.recipes.schema import load_recipe
from contragan.training.step import Step

NORMALIZED = ["digits/contragan-eq7", "digits/contragan", "digits/projgan", "digits/acgan"]
PLAIN = [
    "digits/contragan-eq7",
    "digits/dcgan",
    "digits/wgan-gp",
    "digits/contragan-eq7-diffaugment",
]
NO_SPECTRAL_NORM = ["generator.spectral_norm=false", "discriminator.spectral_norm=false"]
ITERATIONS = 20


def both(name: str, overrides: list[str]) -> tuple[Step, ReferenceStep]:
    setup, _ = set_up(BenchRequest(name, load_recipe(name, overrides)), Console(quiet=True))
    ours, _ = our_step(setup, seed=0)
    return ours, plain_step(ours, setup)


class Watched:
    """Runs a step's updates and keeps each one's losses and gradients."""

    def __init__(self, step: Step, iterate: bool) -> None:
        self.step = step
        self.iterate = iterate
        self.gradients: dict[str, Tensor] = {}
        for optimizer in (step.discriminator_optimizer, step.generator_optimizer):
            optimizer.register_step_pre_hook(self._keep)

    def _keep(self, *_: object) -> None:
        self.gradients = {
            f"{which}.{name}": p.grad.detach().clone()
            for which in ("discriminator", "generator")
            for name, p in getattr(self.step.gan, which).named_parameters()
            if p.grad is not None
        }

    def update(self, which: str, number: int) -> Terms:
        gan, step = self.step.gan, self.step
        if self.iterate:
            # One iteration a network and update, as ours makes; the passes themselves make none.
            SharedWeights(gan.generator).iterate()
            SharedWeights(gan.discriminator).iterate()
        if which == "discriminator":
            return step.discriminator_step(number, step.fetch(number))
        return step.generator_step(number)


def assert_same(ours: Watched, plain: Watched) -> None:
    """Losses, gradients and updated weights along 20 iterations of ours.

    The plain step takes over our weights before each update, and keeps its own moments in Adam.
    Left to themselves the two agree as well at first, and part within ten or twenty iterations:
    with beta1 0 Adam divides each gradient by its own size, so that rounding alone turns the
    smallest ones round.
    """
    gradients, weights = [], []
    for iteration in range(ITERATIONS):
        for which in ("discriminator", "generator"):
            for network in ("discriminator", "generator"):
                state = getattr(ours.step.gan, network).state_dict()
                getattr(plain.step.gan, network).load_state_dict(state)
            terms, expected = ours.update(which, iteration), plain.update(which, iteration)
            torch.testing.assert_close(terms, expected, rtol=1e-3, atol=1e-5)
            mine = {k: v for k, v in ours.gradients.items() if k.startswith(which)}
            theirs = {k: v for k, v in plain.gradients.items() if k.startswith(which)}
            gradients.append(distance(mine, theirs))
            left, right = (
                dict(getattr(watched.step.gan, which).named_parameters())
                for watched in (ours, plain)
            )
            weights.append(distance(left, right))
    assert median(gradients) <= 1e-5
    assert max(gradients) <= 3e-2  # where rounding carries a ReLU or a hinge over its kink
    assert max(weights) <= 1e-3


def distance(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> float:
    """Of two sets of tensors, each taken as one vector, relative to the second's length."""
    assert left.keys() == right.keys()
    difference = norm([left[key].detach() - right[key].detach() for key in left])
    return difference / norm([value.detach() for value in right.values()])


def norm(tensors: list[Tensor]) -> float:
    return float(torch.stack([tensor.double().square().sum() for tensor in tensors]).sum().sqrt())


def overrides_for(name: str, tiny: list[str]) -> list[str]:
    """``tiny`` without the setting that unconditional networks do not have."""
    return [o for o in tiny if "biggan" in name or "contragan" in name or "shared_dim" not in o]


@pytest.mark.parametrize("name", PLAIN)
def test_same_losses_and_gradients(name: str, tiny: list[str]) -> None:
    ours, plain = both(name, [*overrides_for(name, tiny), *NO_SPECTRAL_NORM])
    assert_same(Watched(ours, False), Watched(plain, False))


@pytest.mark.parametrize("name", NORMALIZED)
def test_same_losses_and_gradients_with_as_many_power_iterations(
    name: str, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plain step makes one at every pass, two of D in its D step; here it makes ours."""
    ours, plain = both(name, tiny)

    def nothing(self: SpectralNorm, weight: Tensor) -> None: ...

    monkeypatch.setattr(SpectralNorm, "iterate", nothing)
    assert_same(Watched(ours, False), Watched(plain, True))
