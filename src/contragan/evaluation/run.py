"""Evaluating a run or a checkpoint after training."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from contragan.core.console import note
from contragan.core.devices import find_device
from contragan.core.errors import UserError
from contragan.core.files import writing_failed
from contragan.core.pair_pictures import ClosestPairs, draw_pairs
from contragan.data import ImageDataset
from contragan.data.splits import load_splits
from contragan.evaluation.choice import Choice
from contragan.evaluation.chosen_classes import GeneratorOfClasses, only_classes, with_classes
from contragan.evaluation.evaluator import Evaluator, extractor_for
from contragan.evaluation.published import with_published
from contragan.evaluation.record import EvaluationRecord
from contragan.runs.model import Model, load
from contragan.runs.run import Run
from contragan.runs.sampling import require_memory


def evaluate_run(
    path: Path, choice: Choice, console: Console, *, which: str, ema: bool | None
) -> EvaluationRecord:
    """Evaluate a run or a checkpoint and append the record to the run's ``metrics.jsonl``.

    The data set is read from ``choice.data``, or where the run had it.

    Raises:
        UserError: no usable checkpoint, no data or other classes, or features that cannot be had.
    """
    trained = load(path, which=which, device=choice.device, ema=ema)
    for line in trained.notes:
        note(console, f"note: {line}")
    run = trained.run
    evaluator = evaluator_of(trained, choice, console)
    if choice.classes:
        chosen, remarks = trained.resolve(trained.split_names(choice.classes))
        for line in remarks:
            note(console, f"note: {line}")
        evaluator = replace(
            evaluator,
            generator=GeneratorOfClasses(trained.generator, sorted(set(chosen))),
            train=only_classes(evaluator.train, chosen),
            test=only_classes(evaluator.test, chosen),
        )
    if "memorisation" in evaluator.config.metrics:
        picture = run.path / "samples" / f"closest-step-{trained.iteration:07d}.png"
        evaluator = replace(evaluator, closest_pairs=_pairs_drawer(picture, console))
    record = evaluator(trained.iteration)
    if choice.classes:
        record = with_classes(record, evaluator.train.class_names)
    record = with_published(record, run.recipe)
    append_record(run, trained.iteration, record)
    return record


def evaluator_of(trained: Model, choice: Choice, console: Console) -> Evaluator:
    """What evaluates a loaded generator as its recipe says, or the choice; it records nothing.

    Raises:
        UserError: no data or other classes, features that cannot be had, or too many images.
    """
    run = trained.run
    config = choice.config(run.recipe.evaluation)
    if config.num_images is not None:
        require_memory(config.num_images, 32, "labels")
    refuse_files(run, choice)
    device = find_device(choice.device)
    extractor = extractor_for(config, run.recipe.data, device, choice.weights)
    train, test = images_of_run(run, choice, console)
    return Evaluator(
        trained.generator,
        run.name,
        config,
        train=train,
        test=test,
        seed=choice.seed,
        ema=trained.ema,
        console=console,
        extractor=extractor,
        recipe=run.recipe,
        metrics_asked=choice.metrics is not None,
    )


def refuse_files(run: Run, choice: Choice) -> None:
    """Raises UserError where files are given to a run whose data has none."""
    given = {
        "--data": choice.data,
        "--skip-unreadable": choice.skip_unreadable,
        "--report": choice.report,
    }
    if run.recipe.data.kind == "digits" and any(given.values()):
        option = next(name for name, value in given.items() if value)
        raise UserError(
            f"{option} means nothing to a run on digits, which has no files: leave it out"
        )


def images_of_run(run: Run, choice: Choice, console: Console) -> tuple[ImageDataset, ImageDataset]:
    """The training and test images of a run; says so where they are others than it had.

    Raises:
        UserError: they cannot be read, or have other classes than the run.
    """
    train, test = load_splits(
        run.recipe.data,
        choice.data or run.dataset.folder,
        console,
        skip_unreadable=choice.skip_unreadable,
        needs_classes=run.recipe.needs_classes,
        class_order=run.dataset.known_names,
        report=choice.report,
    )
    if (different := unlike_trained(run, train)) is not None:
        note(console, f"note: {different}")
    return train, test


def unlike_trained(run: Run, train: ImageDataset) -> str | None:
    """A line where training images are others than a run had.

    Raises:
        UserError: they have other classes than the run.
    """
    if train.num_classes != run.dataset.num_classes:
        raise UserError(
            f"the run in {run.path} has {run.dataset.num_classes} classes, but the data has "
            f"{train.num_classes}: give the data it was trained on as --data"
        )
    if run.dataset.fingerprint in {"", train.fingerprint}:
        return None
    return (
        "the training images are not those that the run was trained on, or are decoded otherwise "
        "(data.background, data.value_range)"
    )


def _pairs_drawer(path: Path, console: Console) -> Callable[[ClosestPairs], None]:
    def draw(pairs: ClosestPairs) -> None:
        draw_pairs(pairs).save(path)
        note(console, f"generated images beside their nearest training images: {path}")

    return draw


def append_record(run: Run, iteration: int, record: EvaluationRecord) -> None:
    """Append an evaluation to its run's ``metrics.jsonl``, in which a training may write too."""
    path = run.path / "metrics.jsonl"
    try:
        cut_short = path.exists() and not path.read_bytes().endswith(b"\n")
        line = "\n" * cut_short + json.dumps({"step": iteration, **record.to_dict()}) + "\n"
        data = line.encode()
        with path.open("ab", buffering=len(data) + 1) as file:  # one write, between another's lines
            file.write(data)
    except OSError as error:
        raise writing_failed(path, error) from error
