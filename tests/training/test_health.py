"""Dead networks are told from living ones by what they put out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from contragan.core.types import DiscriminatorOutput
from contragan.data import load_dataset
from contragan.losses.adversarial import Hinge, LeastSquares, Vanilla, Wasserstein
from contragan.recipes.gan import GAN, build
from contragan.recipes.schema import load_recipe
from contragan.training.health import Networks, is_stuck, signs_of_death
from contragan.training.setup import Request
from contragan.training.train import train


@pytest.fixture
def gan(tiny: list[str]) -> GAN:
    return build(load_recipe("digits/contragan", tiny), 10, seed=0)


def signs(gan: GAN, **terms: float) -> list[str]:
    digits = load_dataset(load_recipe("digits/contragan").data, "test", root=None)
    named = {f"d/{name}": value for name, value in terms.items()}
    networks = Networks({"the generator": gan.generator}, gan.discriminator)
    return signs_of_death(networks, digits, Hinge(), named)


def zeroed(network: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()


def test_untrained_networks_are_alive_and_stay_as_they_were(gan: GAN) -> None:
    before = {key: value.clone() for key, value in gan.discriminator.state_dict().items()}
    gan.generator.train()
    assert signs(gan, adversarial=2.0) == []
    assert gan.generator.training
    for key, value in gan.discriminator.state_dict().items():
        assert torch.equal(value, before[key])


def test_a_generator_that_draws_one_image(gan: GAN) -> None:
    gan.generator.register_forward_hook(lambda module, inputs, images: images * 1e-3)
    assert signs(gan) == ["the generator draws the same image for all latents and classes"]


def test_networks_that_are_not_finite(gan: GAN) -> None:
    zeroed(gan.generator)  # which spectral normalisation divides by zero
    assert signs(gan) == ["the generator draws pixels that are not finite"]
    zeroed(gan.discriminator)
    assert signs(gan)[1] == "the discriminator's logits are not finite"


def scaled_logits(gan: GAN, scale: float, shift: float = 0.0) -> None:
    def scaled(module: object, inputs: object, output: DiscriminatorOutput) -> DiscriminatorOutput:
        return replace(output, logit=output.logit * scale + shift)

    gan.discriminator.register_forward_hook(scaled)


def test_a_discriminator_that_says_one_thing(gan: GAN) -> None:
    scaled_logits(gan, 0.0, 0.25)
    assert signs(gan) == ["the discriminator gives every image the same logit (0.25)"]


def test_small_logits_are_not_dead_ones(gan: GAN) -> None:
    scaled_logits(gan, 1e-6)  # as weight clipping makes them
    assert signs(gan) == []


def test_a_loss_that_is_stuck_at_its_constant(gan: GAN) -> None:
    scaled_logits(gan, 1e-3)
    (sign,) = signs(gan, adversarial=1.9999)
    assert sign.startswith("the discriminator's adversarial loss stays at 2.000, its value where")
    assert signs(gan, adversarial=1.95) == []


@pytest.mark.parametrize(
    ("loss", "constant"),
    [(Hinge(), 2.0), (Vanilla(), 1.3863), (LeastSquares(), 0.25), (Wasserstein(), 0.0)],
)
def test_the_constant_of_each_loss(loss: Hinge, constant: float) -> None:
    assert is_stuck(loss, {"d/adversarial": constant})
    assert not is_stuck(loss, {"d/adversarial": constant * 1.01 + 1e-5})
    assert not is_stuck(loss, {})


def test_a_run_that_died_does_not_say_finished(tmp_path: Path, tiny: list[str]) -> None:
    overrides = [*tiny, "training.total_iterations=8"]
    overrides += ["training.generator_optimizer.learning_rate=1e3"]
    recipe = load_recipe("digits/biggan", overrides)
    outcome = train(Request("digits/biggan", recipe, out=tmp_path / "run"), Console(quiet=True))
    first, *_ = outcome.lines()
    assert first.startswith("ended at iteration 8, but training has failed: the generator draws")
    assert outcome.exit_code == 0
