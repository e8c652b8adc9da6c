"""Kinds of ``contragan plot`` that draw images anew, from checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
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
from contragan.cli.plotting import Csv, Out, Runs, check_outputs, plot_app, write_figure, write_runs
from contragan.core.files import expanded

__all__ = ["plot_app"]

Checkpoints = Annotated[
    list[Path],
    typer.Argument(help="Folders of runs, or checkpoints in them.", metavar="RUN..."),
]
Checkpoint = Annotated[
    Path, typer.Argument(help="Folder of a run, or a checkpoint in it.", metavar="RUN")
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help="Only these classes: names or indices, separated by commas; may be repeated.",
    ),
]
Columns = Annotated[
    int | None, typer.Option(min=1, max=100, metavar="N", help="Images of each class.")
]
Truncation = Annotated[
    float | None,
    typer.Option(metavar="T", help="Redraw every coordinate of the latent beyond T."),
]
NumImages = Annotated[
    int | None,
    typer.Option(
        min=2, metavar="N", help="Images behind each score; default as the recipe evaluates."
    ),
]
Features = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What images are compared by, such as pixels; default as the recipe evaluates.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="The same seed draws the same figure.")]


def _opened(context: typer.Context, paths: Sequence[Path]) -> list[Path]:
    """The paths of runs and checkpoints; --which means nothing to a checkpoint."""
    places = [expanded(path) for path in paths]
    for place in places:
        refuse_which_checkpoint(context, place)
    return places


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

    check_outputs(out, csv)
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
    write_runs(draw_embedding(maps), out, maps, csv, CSV_HEADER)


@plot_app.command("grid")
def grid(
    context: typer.Context,
    runs: Checkpoints,
    out: Out,
    classes: Classes = None,
    columns: Columns = None,
    truncation: Truncation = None,
    which: Which = "best",
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Draw images by class, all of a column from one latent; several runs side by side."""
    from contragan.analysis.grid import draw_grids, read_grids
    from contragan.core.console import make_console

    check_outputs(out)
    grids = read_grids(
        _opened(context, runs),
        make_console(),
        classes=classes or (),
        columns=columns or 10,
        which=which,
        truncation=truncation,
        seed=seed,
        device=device,
    )
    write_figure(draw_grids(grids), out, [])


@plot_app.command("compare")
def compare(
    runs: Runs,
    out: Out,
    classes: Classes = None,
    columns: Columns = None,
    which: Which = "best",
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Draw two or more runs in one picture: images by class, and the main scores."""
    from contragan.analysis.compare import draw_comparison, read_comparison
    from contragan.core.console import make_console

    check_outputs(out)
    found = read_comparison(
        [expanded(run) for run in runs],
        make_console(),
        classes=classes or (),
        columns=columns,
        which=which,
        seed=seed,
        device=device,
    )
    write_figure(draw_comparison(found), out, [one.summary() for one in found.curves])


@plot_app.command("interpolation")
def interpolation(
    context: typer.Context,
    run: Checkpoint,
    out: Annotated[
        Path,
        typer.Option(
            help="A strip: .png, .svg or .pdf; a moving picture: .gif or .mp4.",
            callback=expanded_path,
        ),
    ],
    classes: Classes = None,
    steps: Annotated[
        int | None,
        typer.Option(min=2, max=200, metavar="N", help="Images of a path; default 10, moving 24."),
    ] = None,
    truncation: Truncation = None,
    which: Which = "best",
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Draw paths from latent to latent, and from class to class with the latent held."""
    from contragan.analysis.animation import MOVING, check_moving_file, save_moving
    from contragan.analysis.interpolation import draw_interpolation, read_interpolation
    from contragan.core.console import make_console, note

    moving = out.suffix.lower() in MOVING
    if moving:
        check_moving_file(out)
    else:
        check_outputs(out, others=MOVING)
    found = read_interpolation(
        _opened(context, [run])[0],
        make_console(),
        classes=classes or (),
        steps=steps or (24 if moving else 10),
        which=which,
        truncation=truncation,
        seed=seed,
        device=device,
    )
    if moving:
        save_moving(found, out)
        note(make_console(), f"moving picture: {out}")
    else:
        write_figure(draw_interpolation(found), out, [])


@plot_app.command("truncation")
def truncation(
    context: typer.Context,
    run: Checkpoint,
    out: Out,
    csv: Csv = None,
    levels: Annotated[
        str,
        typer.Option(metavar="T,T,...", help="Truncations, separated by commas; none is without."),
    ] = "0.2,0.4,0.7,1,1.5,2,none",
    classes: Classes = None,
    num: NumImages = None,
    features: Features = None,
    which: Which = "best",
    data: MovedData = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Draw images of the same latents under growing truncation, and the scores beside them."""
    from contragan.analysis.truncation import (
        CSV_HEADER,
        draw_truncation,
        parse_levels,
        read_truncation,
    )
    from contragan.core.console import make_console

    check_outputs(out, csv)
    found = read_truncation(
        _opened(context, [run])[0],
        make_console(),
        levels=parse_levels(levels),
        classes=classes or (),
        num_images=num,
        features=features,
        which=which,
        data=data,
        seed=seed,
        device=device,
    )
    write_runs(draw_truncation(found), out, [found], csv, CSV_HEADER)


@plot_app.command("neighbours")
def neighbours(
    context: typer.Context,
    run: Checkpoint,
    out: Out,
    num: Annotated[
        int, typer.Option(min=2, metavar="N", help="How many images are generated and looked at.")
    ] = 1000,
    features: Features = None,
    which: Which = "best",
    data: MovedData = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Draw generated images beside the training images nearest to them, likely copies first."""
    from contragan.analysis.neighbours import draw_neighbours, read_neighbours
    from contragan.core.console import make_console

    check_outputs(out)
    found = read_neighbours(
        _opened(context, [run])[0],
        make_console(),
        num_images=num,
        features=features,
        which=which,
        data=data,
        seed=seed,
        device=device,
    )
    write_figure(draw_neighbours(found), out, [found.summary(), *found.warnings])
