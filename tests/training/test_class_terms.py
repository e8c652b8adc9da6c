"""Which step a class loss, a view and a cost belong to, and what changes as training goes on."""

from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn
from training.test_step import make

from contragan.core.transforms import flip_and_shift
from contragan.core.types import Batch
from contragan.recipes.gan import build
from contragan.recipes.schema import Recipe, dump_recipe, load_recipe, parse_recipe
from contragan.runs.log import read_metrics
from contragan.training.setup import Request
from contragan.training.terms import TermMeter
from contragan.training.train import train


def recipe_with(name: str, tiny: list[str], *changes: str) -> Recipe:
    return load_recipe(name, [*tiny, *changes])


def calls_of_discriminator(name: str, tiny: list[str], *changes: str) -> tuple[int, int]:
    """How often D runs in a D step and in a G step."""
    step = make(recipe_with(name, tiny, *changes))
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    step.gan.discriminator.register_forward_hook(count)
    step.discriminator_step(0, step.fetch(0))
    in_discriminator, calls = calls, 0
    step.generator_step(0)
    return in_discriminator, calls


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("digits/contragan", [], (1, 1)),
        ("digits/contragan-eq7-aps", [], (2, 1)),  # the view enters the D step only
        ("digits/contragan-eq7-aps", ["conditioning.augmented_positives.proxy=false"], (2, 2)),
        ("digits/nt-xent", [], (2, 2)),  # its view is the loss
    ],
)
def test_which_steps_look_twice(
    name: str, changes: list[str], expected: tuple[int, int], tiny: list[str]
) -> None:
    embed = ["conditioning.embedding_dim=8"]
    assert calls_of_discriminator(name, tiny, *embed, *changes) == expected


def test_augmented_positives_leave_the_generator_the_plain_loss(tiny: list[str]) -> None:
    """G's gradient with APS is that of 2C without it."""
    gradients = []
    for name in ("digits/contragan-eq7-aps", "digits/contragan-eq7"):
        recipe = recipe_with(name, tiny, "conditioning.temperature=0.5")
        step = make(recipe, rate=0.0)
        kept: dict[str, Tensor] = {}
        for key, parameter in step.gan.generator.named_parameters():
            parameter.register_hook(lambda g, key=key, kept=kept: kept.setdefault(key, g.clone()))
        terms = step.generator_step(0)
        gradients.append((terms, kept))
    (terms, mine), (plain_terms, plain) = gradients
    torch.testing.assert_close(terms, plain_terms)
    torch.testing.assert_close(mine, plain)
    assert mine


def latent_step(tiny: list[str], weight: float) -> tuple[dict[str, Tensor], ...]:
    """Terms of a D and a G step under a cost weight, and both networks after one update."""
    recipe = recipe_with(
        "digits/logan",
        tiny,
        "regularizers=[{kind: latent_optimization, steps: 2, rate: 0.8, alpha: 0.9, beta: 0.1, "
        f"cost_weight: {weight}}}]",
    )
    step = make(recipe, rate=0.01)
    step.objective = type(step.objective)(recipe.adversarial, step.gan.head, recipe.regularizers)
    seen = [step.discriminator_step(0, step.fetch(0))]
    seen.append(state(step.gan.discriminator))
    seen.append(step.generator_step(0))
    seen.append(state(step.gan.generator))
    return tuple(seen)


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def test_the_latent_cost_is_the_generators_alone(tiny: list[str]) -> None:
    d_terms, discriminator, g_terms, generator = latent_step(tiny, 0.1)
    assert set(d_terms) == {"adversarial"}
    assert g_terms["latent_cost"] > 0
    dear_terms, dear_discriminator, dear_g_terms, dear_generator = latent_step(tiny, 100.0)
    torch.testing.assert_close(d_terms, dear_terms, rtol=0, atol=0)
    torch.testing.assert_close(discriminator, dear_discriminator, rtol=0, atol=0)
    torch.testing.assert_close(dear_g_terms["latent_cost"], 1000 * g_terms["latent_cost"])
    moved = [name for name in generator if not torch.equal(generator[name], dear_generator[name])]
    assert moved


def test_a_run_of_a_version_with_other_terms_goes_on() -> None:
    meter = TermMeter("d", torch.device("cpu"))
    older = {"adversarial": torch.tensor(1.0), "latent_cost": torch.tensor(2.0)}
    meter.add(older, 1)
    resumed = TermMeter("d", torch.device("cpu"))
    resumed.load_state_dict(meter.state_dict())
    resumed.add({"adversarial": torch.tensor(3.0)}, 2)
    assert resumed.read() == {"d/adversarial": 3.0}


def test_the_auxiliary_classifier_of_the_paper(tiny: list[str]) -> None:
    step = make(recipe_with("digits/acgan", tiny))
    terms = step.discriminator_step(0, step.fetch(0))
    assert {"classification", "classification_fake"} <= set(terms)
    names = {name for name, _ in step.gan.head.named_parameters()}
    assert "classifier.bias" in names


def test_recipes_of_older_runs_mean_what_they_meant(tiny: list[str]) -> None:
    """Without the keys that are new, each has the value that was built in."""
    lines = dump_recipe(load_recipe("digits/acgan", tiny)).splitlines()
    new = (
        *("  bias:", "  latent_in_blocks:", "  conditional_batch_norm_spectral_norm:"),
        *("  rounding:", "  published_protocol:"),
    )
    assert sum(line.startswith(new) for line in lines) == len(new)
    older = parse_recipe("\n".join(line for line in lines if not line.startswith(new)), "older")
    gan = build(older, 10, seed=0)
    assert "classifier.bias" not in {name for name, _ in gan.head.named_parameters()}
    assert older.evaluation.rounding
    for block in gan.generator.blocks:  # type: ignore[union-attr]
        assert block.norm1.gain.spectral_norm is not None
        assert block.norm1.gain.in_features == 4 + 8  # a chunk of the latent, the embedding


TEMPERATURES = "conditioning.initial_temperature={temperature: 2.0, iterations: 4}"


def test_the_temperature_changes_at_its_iteration(tiny: list[str]) -> None:
    recipe = recipe_with("digits/contragan", tiny, TEMPERATURES)
    constant = {t: recipe_with("digits/contragan", tiny, f"conditioning.temperature={t}")
                for t in (1.0, 2.0)}  # fmt: skip
    head = build(recipe, 10, seed=0).head
    heads = {t: build(changed, 10, seed=0).head for t, changed in constant.items()}
    feature, label = torch.randn(6, head.feature_dim), torch.arange(6) % 3

    def loss(of: nn.Module) -> Tensor:
        output = of(feature, label)
        return of.discriminator_loss(output, output)["contrastive"]  # type: ignore[operator,no-any-return]

    assert not torch.isclose(loss(heads[1.0]), loss(heads[2.0]))
    torch.testing.assert_close(loss(head), loss(heads[2.0]))  # before any iteration
    for iteration, temperature in ((0, 2.0), (3, 2.0), (4, 1.0), (100, 1.0), (2, 2.0)):
        head.begin(iteration)
        torch.testing.assert_close(loss(head), loss(heads[temperature]))
    assert not any("temperature" in key for key in head.state_dict())


def test_the_temperature_changes_in_a_run_also_a_resumed_one(
    tmp_path: Path, tiny: list[str]
) -> None:
    def contrastive(out: Path, *changes: str, total: int = 8, resume: bool = False) -> list[float]:
        recipe = recipe_with(
            "digits/contragan", tiny, f"training.total_iterations={total}", *changes
        )
        request = Request("digits/contragan", recipe, out=out, resume=resume)
        train(request, Console(quiet=True))
        lines = read_metrics(out / "metrics.jsonl")
        return [line["value"] for line in lines if line["name"] == "d/contrastive"]

    changing = contrastive(tmp_path / "changing", TEMPERATURES)
    hot = contrastive(tmp_path / "hot", "conditioning.temperature=2.0")
    assert changing[:2] == hot[:2]  # two log lines of two iterations
    assert changing[2:] != hot[2:]
    contrastive(tmp_path / "twice", TEMPERATURES, total=4)
    assert contrastive(tmp_path / "twice", TEMPERATURES, resume=True) == changing


def test_views_by_index_are_fixed_and_generated_ones_drawn(tiny: list[str]) -> None:
    recipe = recipe_with("digits/nt-xent", tiny, "conditioning.transform=indexed")
    step = make(recipe)
    looked_at: list[Tensor] = []
    step.gan.discriminator.register_forward_pre_hook(lambda _, given: looked_at.append(given[0]))
    step.discriminator_step(0, step.fetch(0))
    step.discriminator_step(0, step.fetch(0))
    assert torch.equal(looked_at[1], looked_at[3])
    (real,) = step.fetch(0)
    drawn = flip_and_shift(real.images, step.random(0, 0, "discriminator step", "view"))
    assert not torch.equal(looked_at[1], drawn)
    assert isinstance(real, Batch)
    looked_at.clear()
    step.generator_step(0)
    drawn = flip_and_shift(looked_at[0], step.random(0, 0, "generator step", "view"))
    assert torch.equal(looked_at[1], drawn)
