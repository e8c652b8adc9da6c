"""``contragan evaluate``: scores of a generator or of images, and runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from contragan.cli.options import (
    BatchNorm,
    Device,
    JsonFile,
    MovedData,
    Report,
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

Targets = Annotated[
    list[Path],
    typer.Argument(
        help="A run or a checkpoint; or GENERATED REFERENCE, two folders or .npz files; "
        "or, with --compare, several runs."
    ),
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Show the runs' best and last evaluations side by side.")
]
Protocol = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A named protocol: contragan-paper, studiogan-2021 or full; default the recipe's "
        "evaluation.",
    ),
]
Features = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What images are compared by: efficientnet-lite0, inception, pixels or timm:MODEL.",
    ),
]
NumImages = Annotated[
    int | None,
    typer.Option(
        min=2, metavar="N", help="How many images to generate; default as the protocol says."
    ),
]
Reference = Annotated[
    Literal["train", "test"] | None,
    typer.Option(
        metavar="train|test", help="Compare with the training images, or with the test images."
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Metrics, separated by commas, such as memorisation; a wrong name lists them all.",
    ),
]
ProbeImages = Annotated[
    int | None,
    typer.Option(
        min=2,
        metavar="N",
        help="How many real images the linear probe that judges classes is fitted to.",
    ),
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help="Only these classes, of generated and of real images; names separated by commas, may "
        "be repeated. Default all.",
    ),
]
Resize = Annotated[
    str | None,
    typer.Option(
        metavar="KIND", help="Another resizing before the features than they have by themselves."
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="File with the weights of inception.", callback=expanded_path
    ),
]
Ema = Annotated[
    bool | None,
    typer.Option(
        "--ema/--no-ema",
        help="The moving average of the generator's weights, or the weights themselves; default "
        "the average, where the run has one.",
    ),
]

Resolution = Annotated[
    str | None,
    typer.Option(
        metavar="PIXELS",
        help="Crop both sets of images to squares and resize them to this side, as training does; "
        "to rectangles with WIDTHxHEIGHT, such as 48x64.",
    ),
]
Background = Annotated[
    str | None,
    typer.Option(metavar="COLOUR", help="What transparent images lie over; default white."),
]
ValueRange = Annotated[
    str | None,
    typer.Option(metavar="LOW,HIGH", help="Values that become 0 and 255 in images above 8 bits."),
]
Fit = Annotated[
    Literal["crop", "pad", "stretch"],
    typer.Option(
        metavar="KIND",
        help="With --resolution: crop to the central part of that shape, pad to it, or stretch.",
    ),
]
Enlarge = Annotated[
    bool, typer.Option("--enlarge", help="With --resolution: enlarge smaller images.")
]
CsvFile = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        help="With --compare: write the table here as well.",
        callback=expanded_path,
    ),
]


_OF_RUNS = {"num", "reference", "batch_norm", "data", "seed", "which", "ema"}
_OF_SETS = {"resolution", "background", "value_range", "fit", "enlarge"}
_OF_SCORES = {
    "protocol",
    "features",
    "metrics",
    "probe_images",
    "classes",
    "resize",
    "weights",
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
    classes: Classes = None,
    resize: Resize = None,
    weights: Weights = None,
    data: MovedData = None,
    skip_unreadable: SkipUnreadable = False,
    report: Report = None,
    resolution: Resolution = None,
    background: Background = None,
    value_range: ValueRange = None,
    fit: Fit = "crop",
    enlarge: Enlarge = False,
    seed: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Seeds the latents and the labels of the generated images."
        ),
    ] = 0,
    which: Which = "best",
    ema: Ema = None,
    device: Device = "auto",
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Score a trained generator, or images that anything generated; or compare runs.

    An evaluation of a run is added to its metrics.jsonl.
    """
    from contragan.core.console import make_console, note
    from contragan.data.image_set import make_reading
    from contragan.evaluation.choice import Choice
    from contragan.evaluation.image_files import evaluate_files
    from contragan.evaluation.run import evaluate_run
    from contragan.runs.run import run_of

    console = make_console()
    places = [expanded(path) for path in targets]
    for file, option in ((json_file, "--json"), (csv_file, "--csv")):
        if file is not None:
            check_writable(file.parent, f"{option} in")
    if compare:
        everything = _OF_RUNS | _OF_SETS | _OF_SCORES | {"skip_unreadable", "report"}
        refuse_options(context, everything, "with --compare")
        _compare(places, json_file, csv_file, console)
        return
    refuse_options(context, {"csv_file"}, "without --compare")
    choice = Choice(
        protocol=protocol,
        features=features,
        num_images=num,
        reference=reference,
        batch_norm=batch_norm,
        resize=resize,
        probe_images=probe_images,
        classes=tuple(classes or ()),
        metrics=None if metrics is None else tuple(map(str.strip, metrics.split(","))),
        data=data,
        weights=weights,
        skip_unreadable=skip_unreadable,
        report=report,
        reading=make_reading(resolution, background, value_range, skip_unreadable, fit, enlarge),
        seed=seed,
        device=device,
    )
    if len(places) > 2:
        raise UserError(
            f"{len(places)} places were given: give one run, two sets of images, or --compare and "
            "several runs"
        )
    if len(places) == 2:
        refuse_options(context, _OF_RUNS, "with two sets of images")
        record = evaluate_files(places[0], places[1], choice, console)
    else:
        refuse_options(context, _OF_SETS, "to a run, whose recipe says it")
        refuse_which_checkpoint(context, places[0])
        record = evaluate_run(places[0], choice, console, which=which, ema=ema)
    _show(record, json_file, console)
    if len(places) == 1:
        log = run_of(places[0]) / "metrics.jsonl"
        note(console, f"added to {log}; `contragan evaluate --compare` shows it beside others")


def _compare(
    places: list[Path], json_file: Path | None, csv_file: Path | None, console: Console
) -> None:
    import json

    from contragan.evaluation.comparison import compare_runs
    from contragan.evaluation.comparison_view import sentences, tables

    compared = compare_runs(places)
    if json_file is not None:
        write_text(json_file, json.dumps(compared.to_dict(), indent=1) + "\n")
    if csv_file is not None:
        write_text(csv_file, compared.to_csv())
    for table in tables(compared, console.width):
        console.print(table)
    for line in sentences(compared):
        console.print(line, highlight=False, markup=False)


def _show(record: EvaluationRecord, json_file: Path | None, console: Console) -> None:
    import json

    from contragan.core.console import note
    from contragan.evaluation.confusion_view import confusion_lines
    from contragan.evaluation.published import published_line
    from contragan.evaluation.record import to_table

    if json_file is not None:
        write_text(json_file, json.dumps(record.to_dict()) + "\n")
    console.print(to_table(record))
    for line in confusion_lines(record):
        note(console, line)
    if (published := published_line(record)) is not None:
        note(console, published)
    for warning in record.warnings:
        note(console, f"warning: {warning}")
