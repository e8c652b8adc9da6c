"""A whole training on two processes that writes down what each of them did.

Run as a script, so that Lightning starts the second process as it does for a user:
``python two_process_training.py DATA OUT``. A module of its own, so that the test can train the
same recipe on one process.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from contragan.core.types import Batch, Terms
from contragan.recipes.schema import load_recipe
from contragan.training.setup import Request
from contragan.training.step import LatentBatch, Step
from contragan.training.train import train

ITERATIONS, DISCRIMINATOR_STEPS, BATCH, PARTS = 10, 2, 8, 2
CLASSES, PER_CLASS = 4, 8
SETTINGS = [
    "data={kind: folder, resolution: 16, channels: 3, horizontal_flip: true, fake_labels: uniform}",
    "generator.channels=8",
    "generator.latent_dim=12",
    "generator.shared_dim=8",
    "discriminator.channels=8",
    "conditioning.embedding_dim=16",
    f"training.total_iterations={ITERATIONS}",
    f"training.batch_size={BATCH}",
    f"training.accumulation_steps={PARTS}",
    f"training.discriminator_steps={DISCRIMINATOR_STEPS}",
    "training.synchronized_batch_norm=true",
    "training.ema={decay: 0.8, start_iteration: 4}",
    # With the usual tiny eps, Adam's update would not change with the gradient's size, and would
    # blow rounding up.
    "training.discriminator_optimizer={learning_rate: 2.0e-3, beta1: 0.5, beta2: 0.9, eps: 0.1}",
    "training.generator_optimizer={learning_rate: 1.0e-3, beta1: 0.5, beta2: 0.9, eps: 0.1}",
    "training.log_every_iterations=1",
    "training.sample_every_iterations=100",
    "training.checkpoint_every_iterations=10",
    "training.evaluate_every_iterations=10",
    "training.evaluate_at_start=false",
    "evaluation.features=pixels",
    "evaluation.num_images=30",
    "evaluation.batch_size=4",
    "evaluation.metrics=[frechet_distance]",
]


class Diary:
    """What one process's step was given and what it answered, update by update."""

    def __init__(self) -> None:
        self.draws: dict[tuple[int, int, str], LatentBatch] = {}
        self.real: dict[int, list[Batch]] = {}
        self.terms: dict[tuple[str, int], Terms] = {}

    def to_dict(self) -> dict[str, Any]:
        """Tensors and plain values only."""
        return {
            "draws": {key: (draw.latent, draw.label) for key, draw in self.draws.items()},
            "real": {
                update: [(part.images, part.labels) for part in parts]
                for update, parts in self.real.items()
            },
            "terms": self.terms,
        }


@contextmanager
def kept(diary: Diary) -> Iterator[pytest.MonkeyPatch]:
    """Within this context every step writes in the diary."""
    draw, d_step, g_step = Step.draw, Step.discriminator_step, Step.generator_step

    def noted_draw(step: Step, update: int, part: int, purpose: str) -> LatentBatch:
        diary.draws[update, part, purpose] = found = draw(step, update, part, purpose)
        return found

    def noted_d_step(step: Step, update: int, parts: list[Batch]) -> Terms:
        diary.real[update] = [Batch(part.images.clone(), part.labels) for part in parts]
        diary.terms["d", update] = terms = d_step(step, update, parts)
        return terms

    def noted_g_step(step: Step, iteration: int) -> Terms:
        diary.terms["g", iteration] = terms = g_step(step, iteration)
        return terms

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Step, "draw", noted_draw)
        patch.setattr(Step, "discriminator_step", noted_d_step)
        patch.setattr(Step, "generator_step", noted_g_step)
        yield patch


OWN_STATISTICS = ["training.synchronized_batch_norm=false", "training.total_iterations=2"]
"""Processes that see other batches' statistics, evaluated at the end."""


def run(data: Path, out: Path, devices: int, changes: Sequence[str] = ()) -> None:
    recipe = load_recipe("digits/contragan", [*SETTINGS, *changes])
    request = Request("two-processes", recipe, data=data, out=out, devices=devices)
    train(request, Console(quiet=True))


def main(data: Path, out: Path) -> None:
    torch.set_num_threads(1)
    diary = Diary()
    with kept(diary):
        run(data, out / "run", devices=2)
    run(data, out / "own-statistics", devices=2, changes=OWN_STATISTICS)
    torch.save(diary.to_dict(), out / f"{torch.distributed.get_rank()}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
