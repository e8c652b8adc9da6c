"""Evaluating a generator against its recipe's data: during training and afterwards alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress

from contragan.data import ImageDataset, load_dataset
from contragan.errors import UserError
from contragan.files import write_text, writing_failed
from contragan.metrics import (
    EvaluationConfig,
    EvaluationRecord,
    FeatureExtractor,
    evaluate,
    evaluation_mode,
    load_extractor,
)
from contragan.networks import Generator
from contragan.randomness import random_generator
from contragan.recipe import Recipe
from contragan.runs.run import Run, Trained
from contragan.sampling import ImageSampler

SHOWN = {
    "frechet_distance": "Fréchet distance",
    "class_accuracy": "class accuracy",
}
"""The scores that a training run shows, with their titles."""


@dataclass
class Evaluator:
    """Scores a generator in place, leaving it as it was."""

    generator: Generator
    recipe_name: str
    config: EvaluationConfig
    train: ImageDataset
    test: ImageDataset
    seed: int
    ema: bool
    console: Console
    weights: Path | None = None
    cache: Path | None = None
    _extractor: FeatureExtractor | None = field(default=None, init=False)

    @property
    def device(self) -> torch.device:
        return next(self.generator.parameters()).device

    @property
    def extractor(self) -> FeatureExtractor:
        """The feature extractor, loaded on first use and kept."""
        if self._extractor is None:
            reference = self.reference
            height, width, channels = reference.images.shape[1:]
            self._extractor = load_extractor(
                self.config.features,
                device=self.device,
                weights=self.weights,
                resize=self.config.resize,
                image_shape=(channels, height, width),
            )
        return self._extractor

    @property
    def reference(self) -> ImageDataset:
        """The real images that generated ones are compared with."""
        return self.train if self.config.reference == "train" else self.test

    def __call__(self, iteration: int) -> EvaluationRecord:
        """Evaluate the generator as it is after ``iteration`` updates."""
        sampler = ImageSampler(self.generator, self.seed, purpose="evaluation")
        context = {
            "iteration": iteration,
            "ema": self.ema,
            "recipe": self.recipe_name,
            "generator_precision": "float32",
        }
        with (
            _progress(self.console) as progress,
            evaluation_mode(
                self.generator,
                self.config.batch_norm,
                forward=self._standing_batch(),
                batches=self.config.standing_batches,
            ),
        ):
            return evaluate(
                sampler.floats,
                reference=self.reference,
                probe_train=self.train,
                config=self.config,
                extractor=self.extractor,
                cache_dir=self.cache,
                seed=self.seed,
                context=context,
                progress=progress,
            )

    def _standing_batch(self) -> Callable[[], object]:
        sampler = ImageSampler(self.generator, self.seed, purpose="standing statistics")
        weights = torch.from_numpy(self.reference.class_counts).double()
        random = random_generator(torch.device("cpu"), self.seed, "standing statistics labels")

        def draw() -> object:
            labels = torch.multinomial(
                weights, self.config.batch_size, replacement=True, generator=random
            )
            return sampler.floats(labels)

        return draw


class _progress:
    """Shows the passes over images on a terminal, and nothing elsewhere."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            console=console, transient=True, disable=not console.is_terminal or console.quiet
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Callable[[str, int, int], None]:
        if not self._bar.live.is_started and not self._bar.disable:
            self._bar.start()
        return self._show

    def _show(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=total)
        self._bar.update(self._tasks[stage], completed=done)

    def __exit__(self, *error: object) -> None:
        self._bar.stop()


def evaluate_trained(
    trained: Trained,
    config: EvaluationConfig,
    *,
    data: Path | None,
    seed: int,
    console: Console,
    weights: Path | None = None,
) -> EvaluationRecord:
    """Evaluate a loaded generator; the data set is read from ``data`` or where the run had it.

    Raises:
        UserError: the data is not there or has other classes, or the features cannot be had.
    """
    run = trained.run
    root = data if data is not None else (Path(run.dataset.path) if run.dataset.path else None)
    train, test = (load_dataset(run.recipe.data, split, root=root) for split in ("train", "test"))
    check_classes(run, train)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    evaluator = Evaluator(
        trained.generator.to(device).to(memory_format=torch.channels_last),
        run.name,
        config,
        train=train,
        test=test,
        seed=seed,
        ema=trained.ema,
        console=console,
        weights=weights,
    )
    return evaluator(trained.iteration)


def check_classes(run: Run, dataset: ImageDataset) -> None:
    """Raises UserError where a data set's classes are not those that a run was trained on.

    An imported run may know no names, only numbers; then the number of classes has to do.
    """
    numbers = tuple(str(index) for index in range(dataset.num_classes))
    if run.dataset.class_names == numbers and not run.dataset.fingerprint:
        return
    if dataset.class_names != run.dataset.class_names:
        raise UserError(
            f"the run in {run.path} was trained on {run.dataset.num_classes} classes "
            f"({', '.join(run.dataset.class_names[:4])}, ...), but the data has "
            f"{dataset.num_classes} ({', '.join(dataset.class_names[:4])}, ...)"
        )


def default_config(recipe: Recipe, **changes: Any) -> EvaluationConfig:
    """The recipe's evaluation settings, with those that are not None changed."""
    given = {key: value for key, value in changes.items() if value is not None}
    return EvaluationConfig.model_validate({**recipe.evaluation.model_dump(), **given})


def record_result(trained: Trained, record: EvaluationRecord, file: Path | None) -> None:
    """Append an evaluation to its run's ``metrics.jsonl``; write it to ``file`` too if given."""
    text = json.dumps({"step": trained.iteration, **record.to_dict()})
    path = trained.run.path / "metrics.jsonl"
    try:
        with path.open("a") as lines:
            lines.write(text + "\n")
    except OSError as error:
        raise writing_failed(path, error) from error
    if file is not None:
        write_text(file, text + "\n")
