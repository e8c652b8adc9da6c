"""Options that several commands share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from contragan.core.errors import UserError
from contragan.core.files import check_writable, expanded


def expanded_path(value: Path | None) -> Path | None:
    return None if value is None else expanded(value)


def writable_file(value: Path | None) -> Path | None:
    """The path, home expanded; UserError where a file cannot be written there."""
    if value is None:
        return None
    path = expanded(value)
    if path.is_dir():
        raise UserError(f"{path} is a folder: give a file's name")
    check_writable(path.absolute().parent, "the folder")
    return path


def recipe_name(value: str) -> str:
    """Say it where a recipe has another name today."""
    from contragan.recipes.catalog import renamed

    if line := renamed(value):
        print(f"note: {line}", file=sys.stderr)
    return value


Recipe = Annotated[
    str,
    typer.Argument(
        help="A recipe's name (`contragan recipes` lists them), or the path of a YAML file.",
        callback=recipe_name,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a setting; may be repeated."),
]
StepOption = Annotated[
    Literal["eager", "compiled", "captured"],
    typer.Option(
        metavar="KIND",
        help="How the updates of both networks run: eager (operation by operation), compiled "
        "(torch.compile) or captured (CUDA graphs; experimental).",
    ),
]
MovedData = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where the data set lies now; default where the run had it.",
        callback=expanded_path,
    ),
]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be read.")
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="List all images that cannot be read, or are too small, here, with reasons "
        "(tab-separated).",
        callback=writable_file,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="auto (a GPU where there is one), cpu, cuda, or one GPU as cuda:1."
    ),
]
BatchNorm = Annotated[
    Literal["running", "batch", "standing"] | None,
    typer.Option(
        metavar="KIND",
        help="Batch-norm statistics of the generator: running (those of training), batch (of each "
        "batch of images) or standing (of samples drawn beforehand).",
    ),
]
Which = Annotated[
    Literal["best", "last"],
    typer.Option(
        metavar="best|last",
        help="Which checkpoint of a run: that with the lowest Fréchet distance in training, or the "
        "last.",
    ),
]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the result here as well.", callback=expanded_path
    ),
]


def refuse_options(context: typer.Context, names: set[str], mode: str) -> None:
    """Raises UserError where one of these parameters was given, which mean nothing in this mode."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            raise UserError(f"{parameter.opts[0]} means nothing {mode}: leave it out")


def refuse_which_checkpoint(context: typer.Context, path: Path) -> None:
    from contragan.runs.run import checkpoint_at

    if checkpoint_at(path) is not None:
        refuse_options(context, {"which"}, "where a checkpoint is named")
