"""``contragan sample`` and ``contragan evaluate``: what a trained generator makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from contragan.cli.options import (
    BatchNorm,
    Device,
    JsonFile,
    Seed,
    SkipUnreadable,
    Which,
    expanded_path,
    refuse_options,
    refuse_which_checkpoint,
)
from contragan.core.errors import UserError
from contragan.core.files import check_writable, expanded, write_text

if TYPE_CHECKING:
    from rich.console import Console

    from contragan.evaluation.record import EvaluationRecord


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
        typer.Option(help="How many images in all; default 10 of each class, or a row of a grid."),
    ] = None,
    truncation: Annotated[
        float | None, typer.Option(help="Redraw latent coordinates beyond this.")
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path,
        typer.Option(
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
    )
    note(console, written)


Targets = Annotated[
    list[Path],
    typer.Argument(
        help="A run or a checkpoint; or GENERATED REFERENCE, two folders or .npz files; "
        "or, with --compare, several runs."
    ),
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Show the runs' last evaluations side by side.")
]
Protocol = Annotated[
    str | None,
    typer.Option(help="A named protocol: contragan-paper, studiogan-2021 or full."),
]
Features = Annotated[
    str | None, typer.Option(help="efficientnet-lite0, inception, pixels or timm:MODEL.")
]
NumImages = Annotated[int | None, typer.Option(min=2, help="How many images to generate.")]
Reference = Annotated[
    Literal["train", "test"] | None, typer.Option(help="Which real images to compare with.")
]
Metrics = Annotated[
    str | None, typer.Option(help="Metrics separated by commas; an unknown one lists them.")
]
ProbeImages = Annotated[
    int | None, typer.Option(min=2, help="How many real images the class probe is fitted to.")
]
Resize = Annotated[str | None, typer.Option(help="Another resizing than the extractor's own.")]
Weights = Annotated[
    Path | None,
    typer.Option(help="File with the extractor's weights (inception).", callback=expanded_path),
]
RunData = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the data set; default where the run had it.", callback=expanded_path
    ),
]
Ema = Annotated[
    bool | None, typer.Option("--ema/--no-ema", help="Moving average of the weights, or not.")
]

Resolution = Annotated[
    int | None,
    typer.Option(min=8, help="Crop and resize both sets of images to this, as training does."),
]
Background = Annotated[
    str | None, typer.Option(help="What transparent images lie over; default white.")
]
ValueRange = Annotated[
    str | None,
    typer.Option(metavar="LOW,HIGH", help="Values that become 0 and 255 in images above 8 bits."),
]


_OF_RUNS = {"num", "reference", "batch_norm", "data", "seed", "which", "ema"}
_OF_SETS = {"resolution", "background", "value_range"}
_OF_SCORES = {
    "protocol",
    "features",
    "metrics",
    "probe_images",
    "resize",
    "weights",
    "json_file",
    "device",
}


def evaluate(
    context: typer.Context,
    targets: Targets,
    compare: Compare = False,
    protocol: Protocol = None,
    features: Features = None,
    num: NumImages = None,
    reference: Reference = None,
    batch_norm: BatchNorm = None,
    metrics: Metrics = None,
    probe_images: ProbeImages = None,
    resize: Resize = None,
    weights: Weights = None,
    data: RunData = None,
    skip_unreadable: SkipUnreadable = False,
    resolution: Resolution = None,
    background: Background = None,
    value_range: ValueRange = None,
    seed: Seed = 0,
    which: Which = "best",
    ema: Ema = None,
    device: Device = "auto",
    json_file: JsonFile = None,
) -> None:
    """Score a generator, or images that anything generated, with the whole protocol."""
    from contragan.core.console import make_console
    from contragan.data.image_set import make_reading
    from contragan.evaluation.choice import Choice
    from contragan.evaluation.comparison import compare_runs
    from contragan.evaluation.image_files import evaluate_files
    from contragan.evaluation.run import evaluate_run

    console = make_console()
    places = [expanded(path) for path in targets]
    if compare:
        everything = _OF_RUNS | _OF_SETS | _OF_SCORES | {"skip_unreadable"}
        refuse_options(context, everything, "with --compare")
        console.print(compare_runs(places))
        return
    if json_file is not None:
        check_writable(json_file.parent, "--json in")
    choice = Choice(
        protocol=protocol,
        features=features,
        num_images=num,
        reference=reference,
        batch_norm=batch_norm,
        resize=resize,
        probe_images=probe_images,
        metrics=None if metrics is None else tuple(map(str.strip, metrics.split(","))),
        data=data,
        weights=weights,
        skip_unreadable=skip_unreadable,
        reading=make_reading(resolution, background, value_range, skip_unreadable),
        seed=seed,
        device=device,
    )
    if len(places) > 2:
        raise UserError(
            f"{len(places)} places were given: one run, two sets of images, or --compare"
        )
    if len(places) == 2:
        refuse_options(context, _OF_RUNS, "with two sets of images")
        record = evaluate_files(places[0], places[1], choice, console)
    else:
        refuse_options(context, _OF_SETS, "to a run, whose recipe says it")
        refuse_which_checkpoint(context, places[0])
        record = evaluate_run(places[0], choice, console, which=which, ema=ema)
    _show(record, json_file, console)


def _show(record: EvaluationRecord, json_file: Path | None, console: Console) -> None:
    import json

    from contragan.core.console import note
    from contragan.evaluation.published import published_line
    from contragan.evaluation.record import to_table

    if json_file is not None:
        write_text(json_file, json.dumps(record.to_dict()) + "\n")
    console.print(to_table(record))
    if (published := published_line(record)) is not None:
        note(console, published)
    for warning in record.warnings:
        note(console, f"warning: {warning}")
