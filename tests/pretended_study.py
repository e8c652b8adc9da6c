"""A study of two cells that trains in milliseconds, and a place where runs only pretend."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from contragan.core.files import write_text
from contragan.recipes.schema import parse_recipe
from contragan.runs.run import DatasetFacts, Run
from contragan.studies.jobs import Job

TOTAL = 4

SETTINGS = [
    "generator.channels=8",
    "generator.latent_dim=12",
    "generator.shared_dim=8",
    "discriminator.channels=8",
    "training.batch_size=16",
    f"training.total_iterations={TOTAL}",
    "training.log_every_iterations=1",
    "training.checkpoint_every_iterations=2",
    "training.evaluate_every_iterations=4",
    "training.evaluate_at_start=false",
    "evaluation.num_images=64",
    "evaluation.metrics=[frechet_distance]",
]

STUDY: dict[str, Any] = {
    "title": "Digits",
    "question": "Does it run?",
    "scores": ["frechet_distance"],
    "scales": {
        "tiny": {
            "note": "a few iterations",
            "seeds": 1,
            "settings": {"all": SETTINGS, "contrastive": ["conditioning.embedding_dim=16"]},
        },
        "small": {"note": "more iterations", "seeds": 2},
    },
    "cells": [
        {"row": "BigGAN", "column": "projection", "recipe": "digits/biggan"},
        {"row": "BigGAN", "column": "2C", "recipe": "digits/contragan"},
    ],
}


def write_study(path: Path, **changes: object) -> Path:
    write_text(path, yaml.safe_dump({**STUDY, **changes}, sort_keys=False))
    return path


def pretend(folder: Path, iteration: int, recipe: Path | None = None, *, seed: int = 0) -> None:
    """Leave in a run's folder what the runner reads of a checkpoint that was evaluated."""
    if recipe is not None and not folder.exists():
        facts = DatasetFacts("digits", ("0", "1"), (1, 1), "", None)
        parsed = parse_recipe(recipe.read_text(), str(recipe))
        Run(folder, str(recipe), parsed, seed, facts).write({})
    checkpoint = folder / "checkpoints" / f"step-{iteration:07d}"
    checkpoint.mkdir(parents=True, exist_ok=True)
    write_text(checkpoint / "evaluated.json", json.dumps({"best": 1.0}))
    write_text(folder / "checkpoints" / "last", checkpoint.name)


@dataclass
class PretendedHandle:
    job: Job
    code: int | None
    stopped: bool = False

    def exit_code(self) -> int | None:
        if self.stopped:
            pretend(self.job.folder, 2)
            return 129
        return self.code

    def stop(self) -> None:
        self.stopped = True


@dataclass
class PretendedPlace:
    """``endings`` are the exit codes of a run's attempts, by a part of its name; else it is made.

    None: it goes on until it is stopped.
    """

    slots: int = 1
    endings: dict[str, list[int | None]] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    on_start: Callable[[Job], None] = lambda job: None
    most: int = 0
    handles: list[PretendedHandle] = field(default_factory=list)

    def start(self, job: Job) -> PretendedHandle:
        self.started.append(job.folder.name)
        self.on_start(job)
        codes = next((codes for part, codes in self.endings.items() if part in job.folder.name), [])
        code = codes.pop(0) if codes else 0
        if code == 0:
            seed = int(job.words[job.words.index("--seed") + 1])
            pretend(job.folder, TOTAL, Path(job.words[1]), seed=seed)
        else:
            job.log.write_text(f"some output\nerror: ended with {code} at {time.time():.0f}\n")
        self.handles.append(PretendedHandle(job, code))
        return self.handles[-1]

    def describe(self) -> str:
        return "nowhere"

    def close(self) -> None: ...
