"""Adaptive augmentation goes on where it was: its probability is part of a run's state."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from contragan.recipes.schema import load_recipe
from contragan.runs.checkpoint import load_trainer
from contragan.runs.log import read_metrics
from contragan.training.setup import Request
from contragan.training.train import train

ADA = (
    "augmentation={kind: ada, groups: [blit, geometry, color], target: 0.1, ramp_images: 400, "
    "interval: 2}"
)


def run(out: Path, tiny: list[str], iterations: int, *, resume: bool = False) -> Path:
    settings = [
        ADA,
        f"training.total_iterations={iterations}",
        "training.checkpoint_every_iterations=1",
        "training.discriminator_steps=2",
        "training.discriminator_optimizer.learning_rate=2e-2",
    ]
    recipe = load_recipe("digits/contragan-eq7-ada", [*tiny, *settings])
    train(Request("digits/contragan-eq7-ada", recipe, out=out, resume=resume), Console(quiet=True))
    return out / "checkpoints" / f"step-{iterations:07d}"


def test_a_resumed_run_goes_on_with_its_probability(tmp_path: Path, tiny: list[str]) -> None:
    whole = run(tmp_path / "whole", tiny, 9)
    stopped = load_trainer(run(tmp_path / "parts", tiny, 5))["augmentation"]
    assert stopped["updates"] == 10
    assert stopped["probability"] > 0.05
    parts = run(tmp_path / "parts", tiny, 9, resume=True)
    found, expected = (load_trainer(path)["augmentation"] for path in (parts, whole))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert found["updates"] == 18
    logged = {
        record["step"]: record["value"]
        for record in read_metrics(tmp_path / "parts" / "metrics.jsonl")
        if record["name"] == "augmentation/probability"
    }
    assert list(logged) == [2, 4, 6, 8]
    assert logged[4] == pytest.approx(float(stopped["probability"]), abs=32 / 400 + 1e-6)
    assert logged[4] > 0
    for name in ("generator", "discriminator", "generator_ema"):
        file = f"{name}.safetensors"
        torch.testing.assert_close(load_file(parts / file), load_file(whole / file), rtol=0, atol=0)
