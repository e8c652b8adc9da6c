"""The step: every parameter learns in its own update and only there."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from contragan.core.types import Terms
from contragan.data import BatchSource, LabelSampler, load_dataset
from contragan.models.layers.factory import SharedWeights
from contragan.models.layers.spectral_norm import SpectralNorm
from contragan.recipes.gan import GAN, build
from contragan.recipes.schema import Recipe, load_recipe
from contragan.training.objective import Objective
from contragan.training.step import Step

RECIPES = ["digits/contragan-eq7", "digits/contragan", "digits/projgan", "digits/acgan"]
CPU = torch.device("cpu")


def make(recipe: Recipe, gan: GAN | None = None, rate: float = 1e-3, parts: int = 1) -> Step:
    gan = gan or build(recipe, 10, seed=0)
    train = load_dataset(recipe.data, "train", root=None)
    size = recipe.training.batch_size
    return Step(
        fabric=Fabric(accelerator="cpu", precision="32-true"),
        gan=gan,
        objective=Objective(recipe.adversarial, gan.head),
        discriminator_optimizer=torch.optim.SGD(gan.discriminator.parameters(), lr=rate),
        generator_optimizer=torch.optim.SGD(gan.generator.parameters(), lr=rate),
        source=BatchSource(train, CPU, seed=0, horizontal_flip=False, batch_size=size // parts),
        labels=LabelSampler(train.class_counts, "uniform", CPU),
        seed=0,
        batch_size=size,
        accumulation_steps=parts,
        discriminator_steps=1,
    )


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def changed(network: nn.Module, update: Callable[[], Terms]) -> set[str]:
    before = weights(network)
    update()
    after = weights(network)
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("name", RECIPES)
def test_each_parameter_learns_in_its_own_update_and_only_there(name: str, tiny: list[str]) -> None:
    step = make(load_recipe(name, tiny), rate=0.01)
    discriminator, generator = step.gan.discriminator, step.gan.generator
    everything = {name for name, _ in discriminator.named_parameters()}
    moved = changed(discriminator, lambda: step.discriminator_step(0, step.fetch(0)))
    assert moved == everything
    assert not changed(generator, lambda: step.discriminator_step(1, step.fetch(1)))
    everything = {name for name, _ in generator.named_parameters()}
    assert changed(generator, lambda: step.generator_step(0)) == everything
    assert not changed(discriminator, lambda: step.generator_step(1))
    assert all(p.grad is None for p in discriminator.parameters())
    assert all(p.requires_grad for p in discriminator.parameters())


def test_spectral_norm_iterates_once_a_network_and_update(tiny: list[str]) -> None:
    step = make(load_recipe("digits/contragan-eq7", tiny), rate=0.0, parts=2)
    networks = {name: getattr(step.gan, name) for name in ("discriminator", "generator")}
    for network in networks.values():
        for module in network.modules():
            if isinstance(module, SpectralNorm):
                torch.nn.init.normal_(module.u)  # away from the fixed point
    updates: tuple[Callable[[], object], ...] = (
        lambda: step.discriminator_step(0, step.fetch(0)),
        lambda: step.generator_step(0),
    )
    for update in updates:
        before = {name: deepcopy(network) for name, network in networks.items()}
        update()
        for name, network in networks.items():
            SharedWeights(before[name]).iterate()
            torch.testing.assert_close(singular(network), singular(before[name]))


def singular(network: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in network.named_buffers() if name.endswith((".u", ".v"))}


def test_one_pass_equals_two(tiny: list[str]) -> None:
    recipe = load_recipe("digits/contragan-eq7", tiny)
    together, apart = make(recipe), make(recipe)
    assert together.one_pass
    apart.one_pass = False
    for step in (together, apart):
        step.discriminator_step(0, step.fetch(0))
        step.generator_step(0)
    for network in ("discriminator", "generator"):
        left = weights(getattr(together.gan, network))
        right = weights(getattr(apart.gan, network))
        torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-6)


def test_batch_norm_in_the_discriminator_means_two_passes(tiny: list[str]) -> None:
    overrides = [*tiny, "discriminator.spectral_norm=false", "discriminator.normalization=batch"]
    step = make(load_recipe("digits/projgan", overrides))
    assert not step.one_pass
    assert changed(step.gan.discriminator, lambda: step.discriminator_step(0, step.fetch(0)))


def test_accumulation_equals_the_whole_batch_where_samples_are_not_compared(
    tiny: list[str],
) -> None:
    """Projection with hinge is a mean over samples, and the D step has no batch statistics."""
    recipe = load_recipe("digits/projgan", tiny)
    whole, parts = make(recipe), make(recipe, parts=4)
    fixed = whole.draw(0, 0, "discriminator step")
    whole.gan.generator.eval()
    parts.gan.generator.eval()

    def part_of(update: int, part: int, purpose: str) -> object:
        size = parts.part_size
        piece = slice(part * size, (part + 1) * size)
        return type(fixed)(fixed.latent[piece], fixed.label[piece])

    parts.draw = part_of  # type: ignore[method-assign, assignment]
    left = whole.discriminator_step(0, whole.fetch(0))
    right = parts.discriminator_step(0, parts.fetch(0))
    torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        weights(whole.gan.discriminator), weights(parts.gan.discriminator), rtol=1e-5, atol=1e-6
    )


def test_steps_never_read_a_value_back(tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    step = make(load_recipe("digits/contragan-eq7", tiny))
    step.discriminator_step(0, step.fetch(0))
    step.generator_step(0)

    batch = step.fetch(1)

    def trip(self: Tensor, *args: object) -> None:
        raise AssertionError("a value was read back from the device inside a step")

    for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(Tensor, name, trip)
    step.discriminator_step(1, batch)
    step.generator_step(1)


def test_same_seed_same_weights_and_other_seed_other(tiny: list[str]) -> None:
    recipe = load_recipe("digits/contragan-eq7", tiny)
    first, again, other = (build(recipe, 10, seed=seed) for seed in (1, 1, 2))
    torch.testing.assert_close(weights(first.generator), weights(again.generator), rtol=0, atol=0)
    names = weights(first.generator)
    assert any(not torch.equal(names[n], w) for n, w in weights(other.generator).items())
