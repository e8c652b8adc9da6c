"""What a recipe says reaches the part it speaks of."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from contragan.bench.measure import BenchRequest, set_up
from contragan.core.errors import UserError
from contragan.core.types import Batch, Terms
from contragan.recipes.gan import build
from contragan.recipes.schema import load_recipe
from contragan.runs.log import read_metrics
from contragan.training.setup import Request, Setup
from contragan.training.step import Step
from contragan.training.terms import TermMeter
from contragan.training.train import grid_shape, make_step, train

QUIET = Console(quiet=True)
CPU = torch.device("cpu")


def setup_of(tiny: list[str], *overrides: str) -> Setup:
    recipe = load_recipe("digits/contragan", [*tiny, *overrides])
    setup, _ = set_up(BenchRequest("digits/contragan", recipe), QUIET)
    return setup


def step_of(setup: Setup) -> Step:
    return make_step(setup, build(setup.run.recipe, 10, seed=0), seed=0)


def test_each_optimiser_has_its_own_network_and_settings(tiny: list[str]) -> None:
    setup = setup_of(
        tiny,
        "training.discriminator_optimizer="
        "{learning_rate: 1.0e-2, beta1: 0.1, beta2: 0.9, eps: 1.0e-4}",
        "training.generator_optimizer={learning_rate: 2.0e-2, beta1: 0.2, beta2: 0.8, eps: 1.0e-5}",
    )
    step = step_of(setup)
    for optimizer, network, rate, betas, eps in (
        (step.discriminator_optimizer, step.gan.discriminator, 1e-2, (0.1, 0.9), 1e-4),
        (step.generator_optimizer, step.gan.generator, 2e-2, (0.2, 0.8), 1e-5),
    ):
        (group,) = optimizer.param_groups
        assert (group["lr"], group["betas"], group["eps"]) == (rate, betas, eps)
        assert group["weight_decay"] == 0
        assert {id(p) for p in group["params"]} == {id(p) for p in network.parameters()}


@pytest.mark.parametrize(("mode", "share"), [("training", 0.9), ("uniform", 0.1)])
def test_labels_of_generated_images_are_drawn_as_the_recipe_says(
    tiny: list[str], mode: str, share: float
) -> None:
    setup = setup_of(tiny, f"data.fake_labels={mode}")
    # 9 of 10 training images show a 7, the others a 0.
    labels = np.where(np.arange(len(setup.train)) % 10 > 0, 7, setup.train.labels)
    step = step_of(replace(setup, train=replace(setup.train, labels=labels)))
    drawn = step.labels.draw(4000, torch.Generator().manual_seed(0))
    assert (drawn == 7).float().mean().item() == pytest.approx(share, abs=0.03)


def test_balanced_sampling_draws_real_and_generated_classes_equally_often(tiny: list[str]) -> None:
    setup = setup_of(tiny, "data.sampling=balanced", "data.fake_labels=training")
    labels = np.where(np.arange(len(setup.train)) % 10 > 0, 7, 0)
    step = step_of(replace(setup, train=replace(setup.train, labels=labels)))
    real = torch.cat([part.labels for update in range(4) for part in step.fetch(update)])
    assert (real == 7).float().mean() == 0.5
    drawn = step.labels.draw(4000, torch.Generator().manual_seed(0))
    assert (drawn == 7).float().mean().item() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("flips", ["true", "false"])
def test_images_are_mirrored_only_where_the_recipe_says_so(tiny: list[str], flips: str) -> None:
    setup = setup_of(tiny, f"data.horizontal_flip={flips}")
    step = step_of(setup)
    plain = {image.tobytes() for image in setup.train.images}
    seen = [
        image.add(1).mul(127.5).round().byte().permute(1, 2, 0).contiguous().numpy()
        for update in range(4)
        for part in step.fetch(update)
        for image in part.images
    ]
    mirrored = [image for image in seen if image.tobytes() not in plain]
    assert all(image[:, ::-1].tobytes() in plain for image in mirrored)
    assert (len(mirrored) > len(seen) / 4) == (flips == "true")
    assert flips == "true" or not mirrored


def meter(*values: float) -> TermMeter:
    found = TermMeter("d", CPU)
    for iteration, value in enumerate(values, 1):
        found.add({"a": torch.tensor(value), "b": torch.tensor(1.0)}, iteration)
    return found


def test_a_meter_reads_means_and_starts_anew() -> None:
    found = meter(1.0, 2.0, 6.0)
    assert found.read() == {"d/a": 3.0, "d/b": 1.0}
    found.add({"a": torch.tensor(5.0), "b": torch.tensor(0.0)}, 4)
    assert found.read() == {"d/a": 5.0, "d/b": 0.0}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_meter_names_the_first_iteration_that_was_not_finite(bad: float) -> None:
    meter(1.0, 1e30, -1e30).check()
    with pytest.raises(UserError, match=r"d/a .* at iteration 2"):
        meter(1.0, bad, 1.0, bad).check()


def test_the_log_holds_the_means_of_the_steps_terms(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: dict[str, list[Terms]] = {"d": [], "g": []}
    d_step, g_step = Step.discriminator_step, Step.generator_step

    def note_d(step: Step, update: int, parts: list[Batch]) -> Terms:
        noted["d"].append(d_step(step, update, parts))
        return noted["d"][-1]

    def note_g(step: Step, iteration: int) -> Terms:
        noted["g"].append(g_step(step, iteration))
        return noted["g"][-1]

    monkeypatch.setattr(Step, "discriminator_step", note_d)
    monkeypatch.setattr(Step, "generator_step", note_g)
    settings = [
        "training.total_iterations=6",
        "training.log_every_iterations=3",
        "training.discriminator_steps=2",
    ]
    recipe = load_recipe("digits/contragan", [*tiny, *settings])
    train(Request("digits/contragan", recipe, out=tmp_path / "run"), QUIET)
    logged = {
        (line["step"], line["name"]): line["value"]
        for line in read_metrics(tmp_path / "run" / "metrics.jsonl")
        if line["name"].startswith(("d/", "g/"))
    }
    assert len(noted["d"]) == 2 * len(noted["g"]) == 12
    expected = {
        (end, f"{network}/{name}"): np.mean([float(terms[name]) for terms in part])
        for network, each in (("d", 2), ("g", 1))
        for end in (3, 6)
        for part in [noted[network][(end - 3) * each : end * each]]
        for name in part[0]
    }
    assert logged == pytest.approx(expected, rel=1e-6)


def test_grids_of_large_images_show_fewer() -> None:
    assert [grid_shape(side, side) for side in (16, 128, 192, 256, 512)] == [
        (20, 10), (20, 10), (13, 6), (10, 5), (5, 4),
    ]  # fmt: skip
