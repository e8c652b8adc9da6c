"""A whole training on two processes is the training of one process on the same batches."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import two_process_training as work
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor

from contragan.evaluation.choice import Choice
from contragan.evaluation.run import evaluate_run
from contragan.runs.checkpoint import load_trainer
from contragan.runs.log import read_metrics
from contragan.training.step import LatentBatch, Step

pytestmark = [
    pytest.mark.slow,  # two more processes have to import everything
    pytest.mark.skipif(torch.cuda.is_available(), reason="compares processes on CPUs"),
]

CLOSE: dict[str, Any] = {"rtol": 2e-4, "atol": 2e-5}
Notes = dict[str, Any]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise, each class around another colour: no two images are alike, mirrored or not."""
    root = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    colours = random.integers(60, 180, (work.CLASSES, 3))
    for split in ("train", "test"):
        for label, colour in enumerate(colours):
            folder = root / split / f"class-{label}"
            folder.mkdir(parents=True)
            for index in range(work.PER_CLASS):
                pixels = (colour + random.integers(-60, 60, (16, 16, 3))).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def two(data: Path, out: Path) -> list[Notes]:
    """What each of two processes noted."""
    command = [sys.executable, work.__file__, str(data), str(out)]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return [torch.load(out / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module")
def one(data: Path, out: Path, two: list[Notes]) -> Notes:
    """What one process notes that trains on both processes' latents and labels, side by side."""

    def both(step: Step, update: int, part: int, purpose: str) -> LatentBatch:
        latents, labels = zip(
            *(notes["draws"][update, part, purpose] for notes in two), strict=True
        )
        return LatentBatch(torch.cat(latents), torch.cat(labels))

    diary = work.Diary()
    with work.kept(diary) as patch:
        patch.setattr(Step, "draw", both)
        work.run(data, out / "alone", devices=1)
    return diary.to_dict()


def read(file: Path) -> Tensor:
    """An image file as one image in [-1, 1]: (1, C, H, W)."""
    pixels = torch.from_numpy(np.asarray(Image.open(file)).copy())
    return pixels.permute(2, 0, 1)[None] / 127.5 - 1


def upright(images: Tensor) -> list[bytes]:
    """Each image's pixels, the same for an image and its mirror image."""
    pixels = images.add(1).mul(127.5).round().to(torch.uint8).contiguous()
    return [min(x.numpy().tobytes(), x.flip(2).numpy().tobytes()) for x in pixels]


def test_both_together_see_each_image_once_an_epoch(two: list[Notes], data: Path) -> None:
    files = sorted((data / "train").rglob("*.png"))
    known = {upright(read(file))[0]: int(file.parent.name[-1]) for file in files}
    assert len(known) == len(files) == work.CLASSES * work.PER_CLASS
    updates = work.ITERATIONS * work.DISCRIMINATOR_STEPS
    seen: list[bytes] = []
    for update in range(updates):
        for part in range(work.PARTS):
            for notes in two:
                images, labels = notes["real"][update][part]
                assert len(images) == work.BATCH // work.PARTS // 2
                seen += upright(images)
                # And each comes with its own label.
                assert [known[pixels] for pixels in upright(images)] == labels.tolist()
    epoch = len(files)
    assert len(seen) == updates * work.BATCH == 5 * epoch
    orders = [seen[start : start + epoch] for start in range(0, len(seen), epoch)]
    assert all(Counter(order) == Counter(known.keys()) for order in orders)
    assert orders[0] != orders[1]


def test_no_two_draws_are_alike(two: list[Notes]) -> None:
    """Over processes, updates, parts, and the two networks' steps."""
    updates, parts = work.ITERATIONS * (work.DISCRIMINATOR_STEPS + 1), work.PARTS
    latents = [latent for notes in two for latent, _ in notes["draws"].values()]
    assert len(latents) == 2 * updates * parts
    rows = torch.cat(latents)
    assert len(torch.unique(rows, dim=0)) == len(rows) == updates * work.BATCH
    labels = torch.cat([label for notes in two for _, label in notes["draws"].values()])
    assert set(labels.tolist()) == set(range(work.CLASSES))


def test_losses_are_those_of_one_process(two: list[Notes], one: Notes) -> None:
    assert two[0]["terms"].keys() == one["terms"].keys()
    for key, expected in one["terms"].items():
        mean = {name: sum(notes["terms"][key][name] for notes in two) / 2 for name in expected}
        torch.testing.assert_close(mean, expected, **CLOSE, msg=f"{key} differs")
        assert two[0]["terms"][key] != two[1]["terms"][key]


@pytest.mark.parametrize("network", ["generator", "discriminator", "generator_ema"])
def test_weights_are_those_of_one_process(out: Path, one: Notes, network: str) -> None:
    name = f"checkpoints/step-{work.ITERATIONS:07d}/{network}.safetensors"
    found, expected = (load_file(out / run / name) for run in ("run", "alone"))
    torch.testing.assert_close(found, expected, **CLOSE)


def test_optimisers_are_those_of_one_process(out: Path, one: Notes) -> None:
    folder = f"checkpoints/step-{work.ITERATIONS:07d}"
    found, expected = (load_trainer(out / run / folder) for run in ("run", "alone"))
    for name in ("discriminator_optimizer", "generator_optimizer"):
        for index, state in expected[name]["state"].items():
            for moment, values in state.items():
                # A ReLU at its kink turns rounding into a whole gradient: compare as vectors.
                error = (found[name]["state"][index][moment] - values).norm()
                assert error <= 0.01 * values.norm() + 1e-6, f"{name} {index} {moment}"


def distances(run: Path) -> list[float]:
    return [
        line["value"]
        for line in read_metrics(run / "metrics.jsonl")
        if line["name"] == "evaluation/frechet_distance"
    ]


def test_scores_are_those_of_one_process(out: Path, one: Notes) -> None:
    (found,) = distances(out / "run")
    assert found == pytest.approx(distances(out / "alone")[0], rel=1e-3)


def test_both_evaluate_the_generator_that_is_saved(two: list[Notes], out: Path, data: Path) -> None:
    """Without synchronised batch norm each has statistics of its own, and the first one's count."""
    run = out / "own-statistics"
    (found,) = distances(run)
    record = evaluate_run(run, Choice(data=data), Console(quiet=True), which="last", ema=None)
    assert found == pytest.approx(record.values["frechet_distance"], rel=1e-4)
