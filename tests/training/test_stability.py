"""The signals of stability: what they are, and that measuring them changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

from contragan.losses.adversarial import Hinge, LeastSquares, Vanilla, Wasserstein
from contragan.models.layers.factory import Layers
from contragan.recipes.schema import load_recipe
from contragan.runs.checkpoint import load_trainer
from contragan.runs.log import read_metrics
from contragan.training.setup import Request
from contragan.training.stability import logit_signals, singular_values
from contragan.training.train import train

SIGNALS = {
    *(f"{what}_{of}" for what in ("logit_mean", "logit_std") for of in ("train", "held_out")),
    *("logit_mean_generated", "logit_std_generated", "image_difference"),
    *("gradient_norm_d", "gradient_norm_g"),
    *("largest_singular_value_d", "largest_singular_value_g"),
}
AUTHENTICITY = {"authenticity_train", "authenticity_held_out", "authenticity_generated"}


def run(folder: Path, overrides: list[str], recipe: str = "digits/contragan", **how: Any) -> Path:
    settings = load_recipe(recipe, overrides)
    train(Request(recipe, settings, out=folder, **how), Console(quiet=True))
    return folder


def measured(folder: Path) -> list[dict[str, Any]]:
    records = read_metrics(folder / "metrics.jsonl")
    return [record for record in records if record["name"].startswith("stability/")]


def weights(folder: Path, iteration: int) -> dict[str, bytes]:
    files = (folder / "checkpoints" / f"step-{iteration:07d}").glob("*.safetensors")
    return {file.name: file.read_bytes() for file in files}


def test_measuring_changes_no_weight(tmp_path: Path, tiny: list[str]) -> None:
    # Batch norm, spectral norm, an average, adaptive augmentation: all that has a state.
    average = "training.ema={decay: 0.5, start_iteration: 1}"
    settings = [*tiny, "training.total_iterations=4", average]
    plain = run(tmp_path / "plain", settings, "digits/contragan-ada")
    watched = run(
        tmp_path / "watched",
        [*settings, "training.stability_every_iterations=1", "training.on_collapse=stop"],
        "digits/contragan-ada",
    )
    assert weights(plain, 4)
    assert weights(plain, 4) == weights(watched, 4)
    for part in ("discriminator_optimizer", "generator_optimizer", "augmentation"):
        states = [
            load_trainer(folder / "checkpoints" / "step-0000004")[part]
            for folder in (plain, watched)
        ]
        torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)
    assert measured(plain) == []
    assert {record["step"] for record in measured(watched)} == {1, 2, 3, 4}


def test_a_resumed_run_measures_what_an_uninterrupted_one_does(
    tmp_path: Path, tiny: list[str]
) -> None:
    settings = [*tiny, "training.stability_every_iterations=2"]
    whole = run(tmp_path / "whole", [*settings, "training.total_iterations=6"])
    parts = tmp_path / "parts"
    run(parts, [*settings, "training.total_iterations=3"])
    run(parts, [*settings, "training.total_iterations=6"], resume=True)
    assert measured(parts) == measured(whole)
    assert [r["step"] for r in measured(whole) if r["name"].endswith("norm_d")] == [2, 4, 6]


@pytest.mark.parametrize(
    ("recipe", "more"),
    [
        ("digits/projgan", AUTHENTICITY | {"saturated"}),
        ("digits/dcgan", AUTHENTICITY),  # vanilla, no spectral norm
        ("digits/lsgan", AUTHENTICITY),
        ("digits/wgan", set()),
        ("digits/acgan", AUTHENTICITY | {"saturated"}),
    ],
)
def test_every_loss_is_measured_by_what_it_has(
    tmp_path: Path, tiny: list[str], recipe: str, more: set[str]
) -> None:
    base = load_recipe(recipe)
    known = [
        setting
        for setting in tiny
        if "shared_dim" not in setting or base.generator.kind == "biggan"
        if "latent_dim" not in setting or base.generator.kind == "biggan"
    ]
    folder = run(
        tmp_path / "run",
        [*known, "training.total_iterations=1", "training.stability_every_iterations=1"],
        recipe,
    )
    records = {r["name"].removeprefix("stability/"): r for r in measured(folder)}
    assert set(records) == SIGNALS | more | {"singular_values"}
    assert records["gradient_norm_d"]["value"] > 0
    assert records["gradient_norm_g"]["value"] > 0


def test_the_right_side_is_that_of_the_loss() -> None:
    logits = {
        "train": torch.tensor([2.0, 0.7, 0.2, -0.1]),
        "held_out": torch.tensor([0.3, -3.0]),
        "generated": torch.tensor([-2.0, 0.4]),
    }
    hinge = logit_signals(logits, Hinge())
    found = [hinge[f"authenticity_{name}"] for name in logits]
    assert found == [0.75, 0.5, 0.5]
    assert hinge["saturated"] == pytest.approx(2 / 6)
    assert hinge["logit_mean_train"] == pytest.approx(0.7)
    assert hinge["logit_std_held_out"] == pytest.approx(1.65)
    vanilla = logit_signals(logits, Vanilla())
    assert [vanilla[f"authenticity_{name}"] for name in logits] == [0.75, 0.5, 0.5]
    squares = logit_signals(logits, LeastSquares())  # real 1, generated 0: the middle divides
    assert [squares[f"authenticity_{name}"] for name in logits] == [0.5, 0.0, 1.0]
    assert not set(logit_signals(logits, Wasserstein())) & (AUTHENTICITY | {"saturated"})


def test_singular_values_are_those_of_the_weight_itself() -> None:
    torch.manual_seed(0)
    for layers in (Layers(spectral_norm=False), Layers(spectral_norm=True)):
        made: dict[str, Any] = {
            "conv": layers.conv2d(3, 5, 3),
            "up": layers.conv_transpose2d(4, 6, 4, 2, 1),
            "linear": layers.linear(7, 2),
            "embedding": layers.embedding(4, 3),
            "norm": nn.BatchNorm2d(3),
        }
        network = nn.ModuleDict(made).to(memory_format=torch.channels_last)
        for layer in made.values():
            nn.init.normal_(layer.weight)
            for _ in range(200):
                if getattr(layer, "spectral_norm", None) is not None:
                    layer.spectral_norm.iterate(layer.weight)
        found = singular_values(network)
        matrices = {
            "conv": made["conv"].weight.detach().flatten(1),
            "up": made["up"].weight.detach().transpose(0, 1).flatten(1),
            "linear": made["linear"].weight.detach(),
        }
        expected = {name: float(torch.linalg.matrix_norm(m, 2)) for name, m in matrices.items()}
        assert found == pytest.approx(expected, rel=1e-4)


def test_a_weight_that_is_not_finite_is_told_as_such() -> None:
    layer = nn.Linear(2, 2)
    nn.init.constant_(layer.weight, float("nan"))
    assert singular_values(layer)[""] == pytest.approx(float("nan"), nan_ok=True)
