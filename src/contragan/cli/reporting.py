"""``contragan report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contragan.cli.options import expanded_path
from contragan.core.errors import UserError

if TYPE_CHECKING:
    from contragan.report import Report


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Runs' folders, folders of runs, or a study's folder.")
    ],
    out: Annotated[Path, typer.Option(help="The page to write.", callback=expanded_path)] = Path(
        "report.html"
    ),
    watch: Annotated[
        bool, typer.Option("--watch", help="Write it again while the runs are trained.")
    ] = False,
) -> None:
    """Write one page about runs that opens offline: curves, pictures, classes, settings."""
    from contragan.core.console import make_console, note, progress_bar
    from contragan.core.files import check_writable, expanded
    from contragan.core.words import counted
    from contragan.report import report as write
    from contragan.report import watch as follow

    if out.is_dir():
        raise UserError(f"--out {out} is a folder: name a file, such as {out / 'report.html'}")
    check_writable(out.parent, "--out in")
    console, said = make_console(), set[str]()

    def tell(written: Report) -> None:
        for line in written.left_out:
            if line not in said:
                note(console, f"left out: {line}")
        said.update(written.left_out)
        size = written.path.stat().st_size / 1e6
        note(console, f"report: {written.path} ({counted(written.runs, 'run')}, {size:.1f} MB)")

    paths = [expanded(path) for path in runs]
    if watch:
        note(console, "the page is written again until all runs have finished; Ctrl-C ends it")
        follow(paths, out, tell)
        return
    with progress_bar(console) as show:
        written = write(paths, out, show=show)
    tell(written)
