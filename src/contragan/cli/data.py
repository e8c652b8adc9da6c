"""``contragan data``: what there is to know of a set of images before it is trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contragan.cli.options import Device, JsonFile, writable_file
from contragan.core.errors import UserError
from contragan.core.files import check_writable, expanded, write_text

data_app = typer.Typer(help="Look at a set of images before training on it.", no_args_is_help=True)


@data_app.callback()
def data() -> None:
    """Look at a set of images before training on it."""


@data_app.command("check")
def check(
    path: Annotated[
        Path,
        typer.Argument(help="The data, as `contragan train --data` takes it.", metavar="PATH"),
    ],
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a contact sheet here (.png or .jpg): some images of each class, and those "
            "that the check points at.",
            callback=writable_file,
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 where something must be mended.")
    ] = False,
    device: Device = "auto",
    json_file: JsonFile = None,
) -> None:
    """Counts, sizes, copies, unreadable and doubtful images of a data set.

    Nothing is changed. docs/data-check.md says what is looked for, and what counts as serious.
    """
    import json

    from contragan.core.console import make_console, note

    console = make_console()
    if sheet is not None and sheet.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        raise UserError(f"--sheet {sheet}: give a name that ends with .png or .jpg")
    if json_file is not None:
        check_writable(json_file.parent, "--json in")

    from contragan.inspection import CheckRequest, check_data
    from contragan.inspection.report import lines

    found = check_data(CheckRequest(expanded(path), sheet, device=device), console)
    if json_file is not None:
        write_text(json_file, json.dumps(found.to_dict(), indent=1) + "\n")
    for line in lines(found):
        note(console, line)
    if sheet is not None:
        note(console, f"Contact sheet: {sheet}")
    if strict and found.serious:
        raise typer.Exit(1)
