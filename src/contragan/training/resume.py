"""Whether a folder may be trained in, and from which checkpoint to go on."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from contragan.core.console import note
from contragan.core.errors import UserError
from contragan.core.words import command_line
from contragan.recipes.schema import Recipe
from contragan.runs.checkpoint import checkpoints, first_whole, verify
from contragan.runs.run import DatasetFacts, Run, is_free, is_run, open_run

_FREE_TO_CHANGE = {
    "training": {
        "total_iterations",
        "log_every_iterations",
        "sample_every_iterations",
        "checkpoint_every_iterations",
        "evaluate_every_iterations",
        "evaluate_at_start",
        "stability_every_iterations",
        "on_collapse",
    },
}
"""Settings that a resumed run may change: they decide what happens when, not what is trained."""


@dataclass(frozen=True)
class Earlier:
    """What a resumed run goes on from.

    ``checkpoint`` is None where the run was stopped before its first. ``dataset`` is what the run
    began with, under the class names of the checkpoint: a network knows its classes by their
    positions only.
    """

    dataset: DatasetFacts
    checkpoint: Path | None


def check_folder(
    folder: Path,
    recipe: Recipe,
    seed: int,
    console: Console,
    *,
    resume: bool,
    data: Path | None = None,
) -> Earlier | None:
    """What to go on from, or None to begin; refuses a folder that holds something else.

    ``data`` is where the data set lies, which decides what is advised where a run is there already.

    Raises:
        UserError: another run, other files, a run with other settings, or no usable checkpoint.
    """
    is_new = not folder.exists() or is_free(folder)
    if not resume:
        if is_run(folder):
            refuse_run(folder, recipe, seed, data)
        if not is_new:
            raise UserError(f"{folder} is not empty and holds no run: give another --out")
        return None
    if is_new:
        note(console, f"note: there is no run in {folder} yet, starting from the beginning")
        return None
    if not is_run(folder):
        raise UserError(f"--resume: {folder} is not empty and holds no run: give another --out")
    saved = open_run(folder)
    check_same(saved, recipe, seed)
    return find_checkpoint(saved, console)


def check_same(saved: Run, recipe: Recipe, seed: int) -> list[str]:
    """The settings that a request changes and a resumed run may change.

    Raises:
        UserError: another seed, or other settings than may be changed.
    """
    if saved.seed != seed:
        raise UserError(
            f"{saved.path} was trained with --seed {saved.seed}, not {seed}: give another --out"
        )
    found = differences(saved.recipe.model_dump(), recipe.model_dump())
    changed = [key for key in found if not allowed(key)]
    if changed:
        more = f" and {len(changed) - 4} more" if len(changed) > 4 else ""
        raise UserError(
            f"{saved.path} holds a run of {saved.name} with other settings "
            f"({', '.join(changed[:4])}{more}): resume it with the recipe and the settings it "
            "began with, or give another --out"
        )
    return found


def refuse_run(folder: Path, recipe: Recipe, seed: int, data: Path | None) -> NoReturn:
    """Raises UserError: the folder holds a run, with what to do about that run."""
    saved = open_run(folder)
    changed = check_same(saved, recipe, seed)
    trained_on = saved.dataset.path
    if trained_on is not None and data is not None and str(data.resolve()) != trained_on:
        raise UserError(f"{folder} holds a run on the data in {trained_on}: give another --out")
    command = ["contragan", "resume", str(folder)]
    for key in changed:
        if not key.startswith(("description", "reference")):
            command += ["--set", f"{key}={json.dumps(_at(recipe.model_dump(mode='json'), key))}"]
    raise UserError(
        f"{folder} holds this run already: go on with `{command_line(command)}`, or give another "
        "--out"
    )


def _at(values: dict[str, Any], path: str) -> Any:
    for key in path.split("."):
        values = values[key]
    return values


def allowed(key: str) -> bool:
    """Whether a resumed run may change the setting at this path."""
    group, _, name = key.partition(".")
    return group in {"evaluation", "reference", "description"} or name in _FREE_TO_CHANGE.get(
        group, set()
    )


def differences(left: dict[str, Any], right: dict[str, Any], prefix: str = "") -> list[str]:
    """Paths at which two nested dictionaries differ."""
    found: list[str] = []
    for key in [*left, *(key for key in right if key not in left)]:
        a, b = left.get(key), right.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(prefix + key)
    return found


def find_checkpoint(saved: Run, console: Console) -> Earlier:
    """The checkpoint of a run to go on from."""
    if not any(saved.checkpoints.glob("step-*")):
        note(console, "note: no checkpoint yet, starting from the beginning")
        return Earlier(saved.dataset, None)
    newest_first = reversed(checkpoints(saved.checkpoints))
    checkpoint, manifest, damaged = first_whole(saved.checkpoints, newest_first, verify)
    for line in damaged:
        note(console, f"note: {line}; using {checkpoint.name}")
    facts = saved.dataset.named(manifest["class_names"], str(checkpoint))
    return Earlier(facts, checkpoint)


def same_data(
    saved: DatasetFacts, found: DatasetFacts, run: Path, console: Console
) -> DatasetFacts:
    """The facts of a resumed run's data, which always keeps its class names.

    Raises:
        UserError: the data has another number of classes.
    """
    if saved.num_classes != found.num_classes:
        raise UserError(
            f"the run in {run} has {saved.num_classes} classes, but the data has "
            f"{found.num_classes}: give the data it began with as --data, or another --out"
        )
    found = replace(found, class_names=saved.class_names)
    if not saved.knows_names:
        return replace(found, fingerprint=saved.fingerprint)
    if saved.fingerprint != found.fingerprint:
        note(
            console,
            f"note: the training data is not what {run} began with; the run goes on with what "
            "--data holds now, so its results will differ",
        )
    return found
