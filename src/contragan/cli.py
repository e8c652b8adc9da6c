"""The command line: parse, call, print."""

from __future__ import annotations

import errno
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from contragan.errors import UserError

app = typer.Typer(
    name="contragan",
    help="Train, compare and understand class-conditional GANs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
recipes_app = typer.Typer(help="List recipes, or show one.", invoke_without_command=True)
app.add_typer(recipes_app, name="recipes")


def _path(text: str) -> Path:
    """A path of the command line; shells expand ``~`` in some places only."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UserError(f"{text}: there is no such user") from error


PathOption = partial(typer.Option, parser=_path, metavar="PATH")
PathArgument = partial(typer.Argument, parser=_path)
Which = Annotated[Literal["best", "last"], typer.Option(help="Which checkpoint of a run.")]
Seed = Annotated[int, typer.Option(min=0, help="Same recipe, seed and machine: same result.")]


def main() -> NoReturn:
    """Entry point: bad input gets one clear line and exit code 2, never a traceback."""
    # Threads that spin for long while they wait make small networks twenty times slower as soon as
    # another program wants a core. Read when torch is loaded, which has not happened yet.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        from contragan.console import silence_output

        silence_output()
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        print(
            "error: the disk is full. Free some space and try again" if full else f"error: {error}",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(0)


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from contragan import __version__

        print(__version__)
        raise typer.Exit


@recipes_app.callback()
def recipes(context: typer.Context) -> None:
    """List the recipes, a line each."""
    if context.invoked_subcommand is not None:
        return
    from contragan.catalog import descriptions

    lines = descriptions()
    width = max(map(len, lines))
    for name, description in lines.items():
        print(f"{name:<{width}}  {description}")


@recipes_app.command("show")
def show(name: Annotated[str, typer.Argument(help="A recipe's name.")]) -> None:
    """Print one recipe."""
    from contragan.catalog import recipe_text

    print(recipe_text(name), end="")


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or the path of a YAML file.")],
    data: Annotated[
        Path | None, PathOption(help="Folder of the data set (digits needs none).")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a setting; may be repeated."),
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, PathOption(help="Folder of the run; default runs/RECIPE/SEED.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    max_minutes: Annotated[
        float | None, typer.Option(min=0, help="Save and stop after so many minutes.")
    ] = None,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be read.")
    ] = False,
    devices: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines.")] = 1,
) -> None:
    """Train a GAN from a recipe."""
    from contragan.console import make_console, note
    from contragan.recipe import load_recipe
    from contragan.training.train import Request, train

    request = Request(
        name=recipe,
        recipe=load_recipe(recipe, overrides),
        data=data,
        seed=seed,
        out=out,
        resume=resume,
        max_minutes=max_minutes,
        skip_unreadable=skip_unreadable,
        devices=devices,
        nodes=nodes,
    )
    console = make_console()
    outcome = train(request, console)
    for line in outcome.lines():
        note(console, line)
    raise typer.Exit(outcome.exit_code)


@app.command()
def sample(
    run: Annotated[Path, PathArgument(help="A run's folder, or one of its checkpoints.")],
    classes: Annotated[
        str | None, typer.Option(help="Names or indices, separated by commas; default all.")
    ] = None,
    num: Annotated[
        int | None, typer.Option(help="How many images in all; default 10 a class.")
    ] = None,
    truncation: Annotated[
        float | None, typer.Option(help="Redraw latent coordinates beyond this.")
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path, PathOption(help="FILE.png: a grid; FILE.npz: arrays; else a folder of PNGs.")
    ] = Path("samples.png"),
    which: Which = "best",
) -> None:
    """Generate images of chosen classes; needs no data set."""
    from contragan.console import make_console, note
    from contragan.export import export_samples
    from contragan.sampling import load

    console = make_console()
    model = load(run, which=which)
    for line in model.notes:
        note(console, f"note: {line}")
    names = None if classes is None else [name.strip() for name in classes.split(",")]
    written = export_samples(
        model, out, classes=names, num=num, seed=seed, truncation=truncation, console=console
    )
    note(console, written)


@app.command()
def evaluate(
    targets: Annotated[
        list[Path],
        PathArgument(
            help="A run or a checkpoint; or GENERATED REFERENCE, two folders or .npz files; "
            "or, with --compare, several runs."
        ),
    ],
    compare: Annotated[
        bool, typer.Option("--compare", help="Show the runs' last evaluations side by side.")
    ] = False,
    protocol: Annotated[
        str | None, typer.Option(help="A named protocol: contragan-paper or full.")
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="efficientnet-lite0, inception, pixels or timm:MODEL.")
    ] = None,
    num: Annotated[int | None, typer.Option(min=2, help="How many images to generate.")] = None,
    reference: Annotated[
        Literal["train", "test"] | None, typer.Option(help="Which real images to compare with.")
    ] = None,
    batch_norm: Annotated[
        Literal["running", "batch", "standing"] | None,
        typer.Option(help="Which batch-norm statistics the generator uses."),
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Metrics separated by commas; an unknown one lists them.")
    ] = None,
    probe_images: Annotated[
        int | None, typer.Option(min=2, help="How many real images the class probe is fitted to.")
    ] = None,
    resize: Annotated[
        str | None, typer.Option(help="Another resizing than the extractor's own.")
    ] = None,
    weights: Annotated[
        Path | None, PathOption(help="File with the extractor's weights (inception).")
    ] = None,
    data: Annotated[
        Path | None, PathOption(help="Folder of the data set; default where the run had it.")
    ] = None,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be read.")
    ] = False,
    seed: Seed = 0,
    which: Which = "best",
    ema: Annotated[
        bool | None, typer.Option("--ema/--no-ema", help="Moving average of the weights, or not.")
    ] = None,
    json_file: Annotated[
        Path | None, PathOption("--json", help="Write the record to this file as well.")
    ] = None,
) -> None:
    """Score a generator, or images that anything generated, with the whole protocol."""
    import json

    from contragan.console import make_console, note
    from contragan.evaluation import Choice, compare_runs, evaluate_files, evaluate_run
    from contragan.files import check_writable, write_text
    from contragan.metrics import to_table

    console = make_console()
    if json_file is not None:
        check_writable(json_file.parent, "--json in")
    if compare:
        console.print(compare_runs(targets))
        return
    choice = Choice(
        protocol=protocol,
        features=features,
        num_images=num,
        reference=reference,
        batch_norm=batch_norm,
        resize=resize,
        probe_images=probe_images,
        metrics=None if metrics is None else tuple(metrics.split(",")),
        data=data,
        weights=weights,
        skip_unreadable=skip_unreadable,
        seed=seed,
    )
    if len(targets) > 2:
        raise UserError(
            f"{len(targets)} places were given: one run, two sets of images, or --compare"
        )
    if len(targets) == 2:
        record = evaluate_files(targets[0], targets[1], choice, console)
    else:
        record = evaluate_run(targets[0], choice, console, which=which, ema=ema)
    if json_file is not None:
        write_text(json_file, json.dumps(record.to_dict()) + "\n")
    console.print(to_table(record))
    for warning in record.warnings:
        note(console, f"warning: {warning}")


@app.command()
def bench(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or the path of a YAML file.")],
    data: Annotated[
        Path | None, PathOption(help="Folder of the data set; default synthetic images.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a setting; may be repeated."),
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, help="How many to measure.")] = 10,
    batches: Annotated[
        str | None, typer.Option(help="Batch sizes, separated by commas; default the recipe's.")
    ] = None,
    json_file: Annotated[
        Path | None, PathOption("--json", help="Write the figures to this file as well.")
    ] = None,
) -> None:
    """Measure a recipe's training step against a plain one, and against this machine."""
    import json

    from contragan.bench.measure import BenchRequest, bench_batches
    from contragan.bench.report import to_table
    from contragan.console import make_console
    from contragan.files import check_writable, write_text
    from contragan.recipe import load_recipe

    console = make_console()
    if json_file is not None:
        check_writable(json_file.parent, "--json in")
    request = BenchRequest(recipe, load_recipe(recipe, overrides), data, iterations)
    results = []
    for result in bench_batches(request, batches, console):
        console.print(to_table(result))
        results.append(result.to_dict())
    if json_file is not None:
        more = {"batches": results} if len(results) > 1 else {}
        write_text(json_file, json.dumps(results[0] | more, indent=1) + "\n")


@app.command("import-studiogan")
def import_studiogan(
    generator: Annotated[Path, PathOption(help="Checkpoint of G, or of its moving average.")],
    discriminator: Annotated[Path, PathOption(help="Checkpoint of D.")],
    recipe: Annotated[str, typer.Option(help="The recipe of the same networks.")],
    out: Annotated[Path, PathOption(help="Folder of the new run.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a setting; may be repeated."),
    ] = None,
    data: Annotated[
        Path | None, PathOption(help="Folder of the data set, for its classes' names.")
    ] = None,
) -> None:
    """Make a run from PyTorch-StudioGAN's checkpoints."""
    from contragan.console import make_console, note
    from contragan.recipe import load_recipe
    from contragan.studiogan_import import ImportRequest, import_run

    request = ImportRequest(
        generator, discriminator, recipe, load_recipe(recipe, overrides), out, data
    )
    run = import_run(request)
    note(make_console(), f"run: {run.path} ({run.dataset.num_classes} classes)")
