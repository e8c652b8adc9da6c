"""``contragan plot``: figures of runs. Each kind is a command and a module of analysis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from contragan.cli.options import (
    Device,
    MovedData,
    Which,
    expanded_path,
    refuse_which_checkpoint,
)
from contragan.core.files import expanded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

plot_app = typer.Typer(help="Figures of runs, with the numbers behind them.", no_args_is_help=True)

Runs = Annotated[list[Path], typer.Argument(help="Folders of runs.", metavar="RUN...")]
Checkpoints = Annotated[
    list[Path],
    typer.Argument(help="Folders of runs, or checkpoints in them.", metavar="RUN..."),
]
Out = Annotated[
    Path,
    typer.Option(help="File of the figure: .png, .svg or .pdf.", callback=expanded_path),
]
Csv = Annotated[
    Path | None,
    typer.Option("--csv", help="Write the numbers here as well.", callback=expanded_path),
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help="Only these classes: names or indices, separated by commas; may be repeated.",
    ),
]
Columns = Annotated[int, typer.Option(min=1, max=100, help="Images of each class.")]
Truncation = Annotated[
    float | None,
    typer.Option(metavar="T", help="Redraw every coordinate of the latent beyond T."),
]
WhichEvaluation = Annotated[
    Literal["best", "last"],
    typer.Option(
        metavar="best|last",
        help="Which evaluation: that with the lowest Fréchet distance, or the last.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="The same seed draws the same figure.")]


def _check(out: Path, csv: Path | None = None) -> None:
    """Refuses files that cannot be written before anything is computed."""
    from contragan.analysis.figures import check_figure_file
    from contragan.core.files import check_writable

    check_figure_file(out)
    if csv is not None:
        check_writable(csv.parent, "--csv in")


def _write(
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


def _opened(context: typer.Context, paths: Sequence[Path]) -> list[Path]:
    """The paths of runs and checkpoints; --which means nothing to a checkpoint."""
    places = [expanded(path) for path in paths]
    for place in places:
        refuse_which_checkpoint(context, place)
    return places


@plot_app.command("stability")
def stability(runs: Runs, out: Out, csv: Csv = None) -> None:
    """Draw Figure 3: D's authenticity accuracies, the distance, D's singular values."""
    from contragan.analysis.stability import CSV_HEADER, draw_stability, read_stability

    _check(out, csv)
    curves = read_stability([expanded(run) for run in runs])
    rows = (row for run in curves for row in run.rows())
    _write(draw_stability(curves), out, [run.summary() for run in curves], csv, CSV_HEADER, rows)


@plot_app.command("embedding")
def embedding(
    context: typer.Context,
    runs: Checkpoints,
    out: Out,
    csv: Csv = None,
    classes: Classes = None,
    per_class: Annotated[
        int, typer.Option(min=1, metavar="N", help="Real, and generated, images of each class.")
    ] = 100,
    which: Which = "best",
    data: MovedData = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Map (t-SNE) D's embeddings of real and generated images, with class proxies as stars."""
    from contragan.analysis.embedding import CSV_HEADER, draw_embedding, read_embeddings
    from contragan.core.console import make_console

    _check(out, csv)
    maps = read_embeddings(
        _opened(context, runs),
        make_console(),
        classes=classes or (),
        per_class=per_class,
        which=which,
        data=data,
        seed=seed,
        device=device,
    )
    rows = (row for one in maps for row in one.rows())
    _write(draw_embedding(maps), out, [one.summary() for one in maps], csv, CSV_HEADER, rows)


@plot_app.command("confusion")
def confusion(runs: Runs, out: Out, csv: Csv = None, which: WhichEvaluation = "best") -> None:
    """Draw which class a classifier sees in the images asked for as each class."""
    from contragan.analysis.confusion import CSV_HEADER, draw_confusion, read_confusion

    _check(out, csv)
    found = read_confusion([expanded(run) for run in runs], which=which)
    rows = (row for one in found for row in one.rows())
    _write(draw_confusion(found), out, [one.summary() for one in found], csv, CSV_HEADER, rows)


@plot_app.command("classes")
def classes(runs: Runs, out: Out, csv: Csv = None, which: WhichEvaluation = "best") -> None:
    """Draw accuracy, distance and other scores class by class, worst first."""
    from contragan.analysis.classes import CSV_HEADER, draw_classes, read_classes

    _check(out, csv)
    found = read_classes([expanded(run) for run in runs], which=which)
    rows = (row for one in found for row in one.rows())
    _write(draw_classes(found), out, [one.summary() for one in found], csv, CSV_HEADER, rows)


@plot_app.command("grid")
def grid(
    context: typer.Context,
    runs: Checkpoints,
    out: Out,
    classes: Classes = None,
    columns: Columns = 10,
    truncation: Truncation = None,
    which: Which = "best",
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Draw images by class, all of a column from one latent; several runs side by side."""
    from contragan.analysis.grid import draw_grids, read_grids
    from contragan.core.console import make_console

    _check(out)
    grids = read_grids(
        _opened(context, runs),
        make_console(),
        classes=classes or (),
        columns=columns,
        which=which,
        truncation=truncation,
        seed=seed,
        device=device,
    )
    _write(draw_grids(grids), out, [])


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

    _check(out, csv)
    found = read_curves([expanded(run) for run in runs], only=only or ())
    rows = (row for one in found for row in one.rows())
    _write(draw_curves(found), out, [one.summary() for one in found], csv, CSV_HEADER, rows)


@plot_app.command("compare")
def compare(
    runs: Runs,
    out: Out,
    classes: Classes = None,
    columns: Columns = 5,
    which: Which = "best",
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Draw two or more runs in one picture: images by class, and the main scores."""
    from contragan.analysis.compare import draw_comparison, read_comparison
    from contragan.core.console import make_console

    _check(out)
    found = read_comparison(
        [expanded(run) for run in runs],
        make_console(),
        classes=classes or (),
        columns=columns,
        which=which,
        seed=seed,
        device=device,
    )
    _write(draw_comparison(found), out, [one.summary() for one in found.curves])
