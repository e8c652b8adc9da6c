"""``contragan plot``: figures of runs. Each kind is a command here and a module of analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contragan.cli.options import expanded_path
from contragan.core.files import expanded

plot_app = typer.Typer(help="Figures of runs, with the numbers behind them.", no_args_is_help=True)

Runs = Annotated[list[Path], typer.Argument(help="Folders of runs.", metavar="RUN...")]
Out = Annotated[
    Path,
    typer.Option(help="File of the figure: .png, .svg or .pdf.", callback=expanded_path),
]
Csv = Annotated[
    Path | None,
    typer.Option("--csv", help="Write the numbers here as well.", callback=expanded_path),
]


@plot_app.command("stability")
def stability(runs: Runs, out: Out, csv: Csv = None) -> None:
    """Draw Figure 3: D's authenticity accuracies, the distance, D's singular values."""
    from contragan.analysis.figures import check_figure_file, save_csv, save_figure
    from contragan.analysis.stability import CSV_HEADER, draw_stability, read_stability
    from contragan.core.console import make_console, note
    from contragan.core.files import check_writable

    check_figure_file(out)
    if csv is not None:
        check_writable(csv.parent, "--csv in")
    curves = read_stability([expanded(run) for run in runs])
    save_figure(draw_stability(curves), out)
    if csv is not None:
        save_csv(CSV_HEADER, (row for run in curves for row in run.rows()), csv)
    console = make_console()
    for run in curves:
        note(console, run.summary())
    note(console, f"figure: {out}")
    if csv is not None:
        note(console, f"numbers: {csv}")
