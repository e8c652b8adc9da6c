"""``contragan init``: a recipe for a user's own images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contragan.cli.options import expanded_path
from contragan.core.errors import UserError
from contragan.core.files import check_writable, expanded, write_text


def init(
    path: Annotated[
        Path, typer.Argument(help="Your images, as `contragan train --data` takes them.")
    ],
    hours: Annotated[
        float, typer.Option(metavar="H", help="How long the training may take on this machine.")
    ] = 8.0,
    resolution: Annotated[
        str | None,
        typer.Option(
            metavar="PIXELS",
            help="Side of the images, or WIDTHxHEIGHT; default what the hours allow, in the shape "
            "that most images share.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The recipe to write.", callback=expanded_path)
    ] = Path("my-recipe.yaml"),
) -> None:
    """Write a recipe that fits your images and this machine.

    Looks at the images, measures a few iterations here, and says what it chose and why.
    """
    from contragan.core.console import make_console, note
    from contragan.drafting.request import DraftRequest, asked_size

    if out.suffix not in {".yaml", ".yml"}:
        raise UserError(f"--out {out}: give a name that ends in .yaml")
    if out.exists():
        raise UserError(f"{out} is there already: give another name with --out")
    check_writable(out.parent, "--out in")
    request = DraftRequest(expanded(path), hours, asked_size(resolution))
    request.check()

    from contragan.core.words import duration, readable
    from contragan.drafting.draft import draft

    console = make_console()
    drafted = draft(request, console)
    write_text(out, drafted.draft.text())
    for line in drafted.lines:
        note(console, line)
    note(
        console,
        f"about {duration(drafted.seconds)} on this machine, {readable(drafted.memory)} of "
        f"memory, {readable(drafted.disk)} of disk",
    )
    skipping = " --skip-unreadable" if drafted.unreadable else ""
    note(console, f"written: {out}; now: contragan train {out}{skipping}")
