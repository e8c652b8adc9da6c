"""Checkpoints for figures, loaded with what there is to say of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from contragan.analysis.figures import model_titles
from contragan.core.console import note
from contragan.core.errors import UserError
from contragan.core.words import shortened
from contragan.runs.model import Model, load


def load_titled(
    paths: Sequence[Path], console: Console, *, which: str = "best", device: str = "cpu"
) -> list[tuple[Model, str]]:
    """The generators of runs or checkpoints, each with a title.

    Raises:
        UserError: no run, no usable checkpoint, or one that is named twice.
    """
    models = [load(path, which=which, device=device) for path in paths]
    places = [model.checkpoint.resolve() for model in models]
    for place in places:
        if places.count(place) > 1:
            raise UserError(f"{place} was named twice: name every run or checkpoint once")
    for model in models:
        for line in model.notes:
            note(console, f"note: {line}")
    return list(zip(models, model_titles(models), strict=True))


def chosen_classes(
    model: Model, classes: Sequence[str], console: Console, *, usual: int, most: int
) -> list[int]:
    """Indices of the classes that were named; of none the first ``usual`` ones, which is said.

    Raises:
        UserError: a class that does not exist, or more than ``most``.
    """
    indices, remarks = model.resolve(model.split_names(classes) if classes else None)
    for line in remarks:
        note(console, f"note: {line}")
    indices = list(dict.fromkeys(indices))
    if classes and len(indices) > most:
        raise UserError(f"{len(indices)} classes are too many to show: name at most {most}")
    if not classes and len(indices) > usual:
        left_out = [model.class_names[index] for index in indices[usual:]]
        note(
            console,
            f"note: only the first {usual} classes are shown, without {shortened(left_out, 3)}: "
            "name others as --classes",
        )
        indices = indices[:usual]
    return indices


def sees_labels(model: Model, title: str, classes: Sequence[str]) -> bool:
    """Whether a generator was trained with labels.

    Raises:
        UserError: it was not, but ``classes`` were named.
    """
    labelled = model.run.recipe.generator.conditional
    if classes and not labelled:
        raise UserError(
            f"--classes means nothing to {title}, which was trained without labels: leave it out"
        )
    return labelled
