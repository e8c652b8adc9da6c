"""Whether a folder may be trained in, and from which checkpoint to go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from contragan.console import note
from contragan.errors import UserError
from contragan.recipe import Recipe
from contragan.runs.checkpoint import newest_whole, verify
from contragan.runs.run import Run, is_free, is_run, open_run

_FREE_TO_CHANGE = {
    "training": {
        "total_iterations",
        "log_every_iterations",
        "sample_every_iterations",
        "checkpoint_every_iterations",
        "evaluate_every_iterations",
        "evaluate_at_start",
    },
}
"""Settings that a resumed run may change: they decide when things happen, not what is trained."""


def check_folder(folder: Path, recipe: Recipe, seed: int, *, resume: bool) -> None:
    """Refuse a folder that holds something else than what is asked for.

    Raises:
        UserError: a file, another run, other files, or a run with other settings.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder} is a file; give a folder")
    if not resume:
        if is_run(folder):
            raise UserError(
                f"{folder} holds another run: add --resume to go on with it, or give another --out"
            )
        if folder.is_dir() and not is_free(folder):
            raise UserError(f"{folder} is not empty and holds no run: give another --out")
        return
    if not folder.exists() or is_free(folder):
        raise UserError(f"--resume: there is no run in {folder}")
    saved = open_run(folder)
    if saved.seed != seed:
        raise UserError(f"{folder} was trained with --seed {saved.seed}, not {seed}")
    changed = [
        key
        for key in differences(saved.recipe.model_dump(), recipe.model_dump())
        if not allowed(key)
    ]
    if changed:
        raise UserError(
            f"{folder} holds a run with other settings ({', '.join(changed[:4])}): resume it with "
            "the settings it began with, or give another --out"
        )


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


def find_checkpoint(run: Run, console: Console) -> Path | None:
    """The checkpoint to go on from; None where the run was stopped before its first."""
    saved = open_run(run.path).dataset
    if saved.num_classes != run.dataset.num_classes:
        raise UserError(
            f"the run in {run.path} has {saved.num_classes} classes, but the data has "
            f"{run.dataset.num_classes}: give the data it began with as --data, or another --out"
        )
    if saved.fingerprint != run.dataset.fingerprint:
        note(
            console,
            f"note: the training data is not what {run.path} began with; the run goes on with what "
            "--data holds now, and is not the run it would have been",
        )
    if not any(run.checkpoints.glob("step-*")):
        note(console, "note: no checkpoint yet, starting from the beginning")
        return None
    checkpoint, damaged = newest_whole(run.checkpoints)
    for line in damaged:
        note(console, f"note: {line}; using {checkpoint.name}")
    classes = verify(checkpoint)["class_names"]
    if len(classes) != run.dataset.num_classes:
        raise UserError(
            f"{checkpoint} has {len(classes)} classes, but the data has {run.dataset.num_classes}: "
            "give the data it began with as --data, or another --out"
        )
    return checkpoint
