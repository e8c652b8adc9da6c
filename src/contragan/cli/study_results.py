"""``contragan study table`` and ``page``: what a study's runs measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contragan.cli.options import expanded_path
from contragan.cli.studying import OutArgument


def table(
    out: OutArgument,
    markdown: Annotated[
        Path | None, typer.Option(help="Write it as Markdown.", callback=expanded_path)
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write every run's scores as CSV.", callback=expanded_path),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write everything as JSON.", callback=expanded_path)
    ] = None,
) -> None:
    """Show a study's results beside the published numbers, over its seeds."""
    from contragan.core.console import make_console, note
    from contragan.core.files import write_text
    from contragan.studies import render
    from contragan.studies.record import read_record
    from contragan.studies.results import read_results

    results = read_results(read_record(out), out)
    console = make_console()
    render.show(results, console)
    files = ((markdown, render.to_markdown), (csv, render.to_csv), (json, render.to_json))
    for path, content in files:
        if path is not None:
            write_text(path, content(results))
            note(console, f"written to {path}")


def page(
    out: OutArgument,
    to: Annotated[
        Path, typer.Option(help="The page, a .md file; others lie beside.", callback=expanded_path)
    ],
) -> None:
    """Write a page of a study's results, with its pictures and the CSV of its runs."""
    from contragan.core.console import make_console, note
    from contragan.studies.page import write_page
    from contragan.studies.record import read_record
    from contragan.studies.results import read_results

    results = read_results(read_record(out), out)
    for path in write_page(results, out, to):
        note(make_console(), f"written to {path}")
