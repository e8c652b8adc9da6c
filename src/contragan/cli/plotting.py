"""``contragan plot``: figures of what runs recorded. Each kind is a module of analysis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import typer

from contragan.cli.options import expanded_path
from contragan.core.files import expanded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
WhichEvaluation = Annotated[
    Literal["best", "last"],
    typer.Option(
        metavar="best|last",
        help="Which evaluation: that with the lowest Fréchet distance, or the last.",
    ),
]


def check_outputs(out: Path, csv: Path | None = None, others: Sequence[str] = ()) -> None:
    """Refuses files that cannot be written before anything is computed.

    ``others`` are formats of ``out`` that are written otherwise, for the message.
    """
    from contragan.analysis.figures import check_figure_file
    from contragan.core.files import check_writable

    check_figure_file(out, others)
    if csv is not None:
        check_writable(csv.parent, "--csv in")


def write_figure(
    figure: Figure,
    out: Path,
    lines: Iterable[str],
    csv: Path | None = None,
    header: Sequence[str] = (),
    rows: Iterable[Sequence[object]] = (),
) -> None:
    """Write the figure and its numbers, and say what it shows and where it is."""
    from contragan.analysis.figures import save_csv, save_figure
    from contragan.core.console import make_console, note

    save_figure(figure, out)
    if csv is not None:
        save_csv(header, rows, csv)
    console = make_console()
    for line in lines:
        note(console, line)
    note(console, f"figure: {out}")
    if csv is not None:
        note(console, f"numbers: {csv}")


class Plotted(Protocol):
    """One run of a figure, in words and in numbers."""

    def summary(self) -> str: ...

    def rows(self) -> Iterable[Sequence[object]]: ...


def write_runs(
    figure: Figure, out: Path, runs: Sequence[Plotted], csv: Path | None, header: Sequence[str]
) -> None:
    """Write a figure of runs, with a line and the numbers of each."""
    rows = (row for run in runs for row in run.rows())
    write_figure(figure, out, [run.summary() for run in runs], csv, header, rows)


@plot_app.command("stability")
def stability(runs: Runs, out: Out, csv: Csv = None) -> None:
    """Draw Figure 3: D's authenticity accuracies, the distance, D's singular values."""
    from contragan.analysis.stability import CSV_HEADER, draw_stability, read_stability

    check_outputs(out, csv)
    curves = read_stability([expanded(run) for run in runs])
    write_runs(draw_stability(curves), out, curves, csv, CSV_HEADER)


@plot_app.command("confusion")
def confusion(runs: Runs, out: Out, csv: Csv = None, which: WhichEvaluation = "best") -> None:
    """Draw which class a classifier sees in the images asked for as each class."""
    from contragan.analysis.confusion import CSV_HEADER, draw_confusion, read_confusion

    check_outputs(out, csv)
    found = read_confusion([expanded(run) for run in runs], which=which)
    write_runs(draw_confusion(found), out, found, csv, CSV_HEADER)


@plot_app.command("classes")
def classes(runs: Runs, out: Out, csv: Csv = None, which: WhichEvaluation = "best") -> None:
    """Draw accuracy, distance and other scores class by class, worst first."""
    from contragan.analysis.classes import CSV_HEADER, draw_classes, read_classes

    check_outputs(out, csv)
    found = read_classes([expanded(run) for run in runs], which=which)
    write_runs(draw_classes(found), out, found, csv, CSV_HEADER)


@plot_app.command("curves")
def curves(
    runs: Runs,
    out: Out,
    csv: Csv = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only quantities with this in their name, such as frechet or d/; may be repeated.",
        ),
    ] = None,
) -> None:
    """Draw scores and loss terms over iterations, one panel for each."""
    from contragan.analysis.curves import CSV_HEADER, draw_curves, read_curves

    check_outputs(out, csv)
    found = read_curves([expanded(run) for run in runs], only=only or ())
    write_runs(draw_curves(found), out, found, csv, CSV_HEADER)
