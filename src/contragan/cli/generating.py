"""``contragan sample``: images from a trained generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from contragan.cli.options import (
    BatchNorm,
    Device,
    Which,
    expanded_path,
    refuse_which_checkpoint,
)


def sample(
    context: typer.Context,
    run: Annotated[
        Path,
        typer.Argument(help="A run's folder, or one of its checkpoints.", callback=expanded_path),
    ],
    classes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help="Names or indices, separated by commas; may be repeated, as for a name with a "
            "comma in it. Default all.",
        ),
    ] = None,
    num: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="How many images in all, the classes in turn; default 10 of each class, or a row "
            "of a grid.",
        ),
    ] = None,
    truncation: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="Redraw every coordinate of the latent beyond T, such as 0.8: images are more "
            "typical and less varied. Default none.",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Seeds the latents: the same seed draws the same images."
        ),
    ] = 0,
    out: Annotated[
        Path,
        typer.Option(
            metavar="PLACE",
            help="FILE.png, .jpg, .svg or .pdf: a grid; FILE.npz: arrays; else a folder of PNGs.",
            callback=expanded_path,
        ),
    ] = Path("samples.png"),
    columns: Annotated[
        int | None, typer.Option(min=1, help="Images in a row of the grid; default 16 at most.")
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Whole factor by which the grid's images are enlarged; default to 48 pixels.",
        ),
    ] = None,
    between: Annotated[
        Literal["classes", "latents"] | None,
        typer.Option(
            metavar="classes|latents",
            help="A grid of paths: from the first of two --classes to the second with the latent "
            "held, or from one latent to another in each class. --columns are the steps of a path.",
        ),
    ] = None,
    which: Which = "best",
    batch_norm: BatchNorm = None,
    device: Device = "auto",
) -> None:
    """Generate images of chosen classes; needs no data set."""
    from contragan.core.console import make_console, note
    from contragan.runs.export import export_samples
    from contragan.runs.model import load

    console = make_console()
    refuse_which_checkpoint(context, run)
    model = load(run, which=which, device=device, batch_norm=batch_norm or "running")
    for line in model.notes:
        note(console, f"note: {line}")
    names = None if not classes else model.split_names(classes)
    written = export_samples(
        model,
        out,
        classes=names,
        num=num,
        seed=seed,
        truncation=truncation,
        console=console,
        columns=columns,
        scale=scale,
        between=between,
    )
    note(console, written)
