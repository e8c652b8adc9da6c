"""``contragan bench`` and ``contragan import-studiogan``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contragan.cli.options import (
    JsonFile,
    Overrides,
    Recipe,
    Report,
    SkipUnreadable,
    StepOption,
    expanded_path,
    recipe_name,
    refuse_options,
)
from contragan.core.files import check_writable, write_text


def bench(
    context: typer.Context,
    recipe: Recipe,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the data set; default images of noise.",
            callback=expanded_path,
        ),
    ] = None,
    overrides: Overrides = None,
    iterations: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many iterations to measure.")
    ] = 10,
    batches: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...", help="Batch sizes to measure, one by one; default the recipe's."
        ),
    ] = None,
    step: StepOption = "eager",
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Show the operators that an iteration spends its time in."),
    ] = False,
    skip_unreadable: SkipUnreadable = False,
    report: Report = None,
    json_file: JsonFile = None,
) -> None:
    """Measure an iteration of a recipe: its updates beside plain ones, and this machine's speed.

    Estimates from it how long a whole run takes here; evaluations are not counted.
    """
    import json

    from contragan.core.console import make_console, note

    console = make_console()
    if data is None:
        refuse_options(context, {"skip_unreadable", "report"}, "without --data")
    note(console, f"measuring {recipe}: this may take minutes")  # before slow imports

    from contragan.bench.measure import BenchRequest, bench_batches
    from contragan.bench.report import operators_table, to_table
    from contragan.recipes.schema import load_recipe

    if json_file is not None:
        check_writable(json_file.parent, "--json in")
    request = BenchRequest(
        recipe,
        load_recipe(recipe, overrides),
        data,
        iterations,
        step=step,
        profile=profile,
        skip_unreadable=skip_unreadable,
        report=report,
    )
    results = []
    for result in bench_batches(request, batches, console):
        console.print(to_table(result))
        if profile:
            console.print(operators_table(result.operators))
        results.append(result.to_dict())
    if json_file is not None:
        more = {"batches": results} if len(results) > 1 else {}
        write_text(json_file, json.dumps(results[0] | more, indent=1) + "\n")


def import_studiogan(
    generator: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Checkpoint of the generator, or of its moving average.",
            callback=expanded_path,
        ),
    ],
    discriminator: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Checkpoint of the discriminator.", callback=expanded_path
        ),
    ],
    recipe: Annotated[
        str, typer.Option(help="The recipe of the same networks.", callback=recipe_name)
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Folder of the new run.", callback=expanded_path),
    ],
    overrides: Overrides = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the data set, for the names of its classes.",
            callback=expanded_path,
        ),
    ] = None,
) -> None:
    """Make a run from PyTorch-StudioGAN's checkpoints."""
    from contragan.core.console import make_console, note
    from contragan.interop.studiogan_import import ImportRequest, import_run
    from contragan.recipes.schema import load_recipe

    request = ImportRequest(
        generator, discriminator, recipe, load_recipe(recipe, overrides), out, data
    )
    run = import_run(request)
    note(make_console(), f"run: {run.path} ({run.dataset.num_classes} classes)")
