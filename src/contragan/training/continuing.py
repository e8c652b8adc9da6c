"""Going on with a run that is named by its folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contragan.core.errors import UserError
from contragan.core.files import read_text
from contragan.core.words import command_line
from contragan.recipes.schema import parse_recipe
from contragan.runs.run import RECIPE, checkpoint_at, open_run
from contragan.training.setup import Request


def continued(
    folder: Path, overrides: list[str] | None = None, data: Path | None = None, **how: Any
) -> Request:
    """The request that goes on with the run in ``folder``: its recipe, seed and data.

    ``overrides`` change settings as ``--set`` does, ``data`` says where the data set lies now, and
    ``how`` are further fields of the request.

    Raises:
        UserError: the folder holds no run, or a file in it cannot be read.
    """
    if checkpoint_at(folder) is not None:
        raise UserError(
            f"{folder} is a checkpoint: give the run's folder, which goes on from the last one"
        )
    run = open_run(folder)
    where = folder / RECIPE
    recipe = parse_recipe(read_text(where), str(where), overrides) if overrides else run.recipe
    known = run.dataset.folder
    return Request(
        name=run.name,
        recipe=recipe,
        data=data or known,
        seed=run.seed,
        out=folder,
        resume=True,
        **how,
    )


def command_to_continue(request: Request) -> str:
    """The command line that goes on with a run, with the options that the run does not remember."""
    words = ["contragan", "resume", str(request.folder)]
    if request.skip_unreadable:
        words.append("--skip-unreadable")
    if request.device != "auto":
        words += ["--device", request.device]
    for option in ("devices", "nodes"):
        if (value := getattr(request, option)) is not None:
            words += [f"--{option}", str(value)]
    if request.step != "eager":
        words += ["--step", request.step]
    return command_line(words)
