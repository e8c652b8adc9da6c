"""``contragan explore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contragan.cli.options import (
    Device,
    MovedData,
    Which,
    expanded_path,
    refuse_which_checkpoint,
)
from contragan.explore import PORT


def explore(
    context: typer.Context,
    run: Annotated[
        Path,
        typer.Argument(help="A run's folder, or one of its checkpoints.", callback=expanded_path),
    ],
    port: Annotated[
        int, typer.Option(min=1, max=65535, metavar="N", help="The page's port on this machine.")
    ] = PORT,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
    data: MovedData = None,
    which: Which = "best",
    device: Device = "auto",
) -> None:
    """Look at a generator in the browser: classes, seeds, truncation, mixtures, neighbours."""
    from contragan.core.console import make_console, note
    from contragan.explore.serve import explore as serve

    refuse_which_checkpoint(context, run)
    console = make_console()
    serve(
        run,
        which=which,
        data=data,
        device=device,
        port=port,
        open_browser=browser,
        tell=lambda line: note(console, line),
    )
