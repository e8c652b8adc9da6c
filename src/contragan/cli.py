"""The command line: parse, call, print."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from contragan.errors import UserError
from contragan.files import check_writable, expanded, write_text

if TYPE_CHECKING:
    from rich.console import Console

    from contragan.metrics import EvaluationRecord

app = typer.Typer(
    name="contragan",
    help="Train, compare and understand class-conditional GANs.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
recipes_app = typer.Typer(help="List recipes, or show one.", invoke_without_command=True)
app.add_typer(recipes_app, name="recipes")

UsageProblem: type[typer.BadParameter] = typer.BadParameter.__bases__[0]
"""What every usage error is; typer has no name for it."""


def _expanded(value: Path | None) -> Path | None:
    return None if value is None else expanded(value)


Recipe = Annotated[str, typer.Argument(help="A recipe's name, or the path of a YAML file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a setting; may be repeated."),
]
Seed = Annotated[int, typer.Option(min=0, help="Same recipe, seed and machine: same result.")]
StepOption = Annotated[
    Literal["eager", "compiled", "captured"],
    typer.Option(help="How a step runs: as it is, through torch.compile, or as CUDA graphs."),
]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be read.")
]
Which = Annotated[Literal["best", "last"], typer.Option(help="Which checkpoint of a run.")]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the result here as well.", callback=_expanded)
]


def main() -> NoReturn:
    """Entry point: bad input gets one clear line and exit code 2, never a traceback."""
    # Threads that spin for long while they wait make small networks twenty times slower as soon as
    # another program wants a core. Read when torch is loaded, which has not happened yet.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal can write "Fréchet"
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(standalone_mode=False) or 0
    except UsageProblem as error:
        code = _refuse(_usage(error))
    except UserError as error:
        code = _refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        from contragan.console import silence_output

        silence_output()
        code = 128 + signal.SIGPIPE
    except OSError as error:
        full = error.errno == errno.ENOSPC
        code = _refuse("the disk is full. Free some space and try again" if full else str(error))
    if code == INTERRUPTED:
        print("interrupted", file=sys.stderr)
    sys.exit(code)


INTERRUPTED = 130


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """End as after Ctrl-C, so that half-written files are taken away."""
    raise KeyboardInterrupt


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


def _usage(error: typer.BadParameter) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    command = error.ctx.command_path if error.ctx else "contragan"
    return f"{message}. See {command} --help"


@app.callback(invoke_without_command=True)
def common(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from contragan import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


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
    recipe: Recipe,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the data set (digits needs none).", callback=_expanded),
    ] = None,
    overrides: Overrides = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run; default runs/RECIPE/SEED.", callback=_expanded),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    max_minutes: Annotated[
        float | None, typer.Option(min=0, help="Save and stop after so many minutes.")
    ] = None,
    skip_unreadable: SkipUnreadable = False,
    devices: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines.")] = 1,
    step: StepOption = "eager",
) -> None:
    """Train a GAN from a recipe."""
    from contragan.console import make_console, note
    from contragan.recipe import load_recipe
    from contragan.training.setup import Request
    from contragan.training.train import train

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
        step=step,
    )
    console = make_console()
    outcome = train(request, console)
    for line in outcome.lines():
        note(console, line)
    sys.exit(outcome.exit_code)


@app.command()
def sample(
    context: typer.Context,
    run: Annotated[
        Path,
        typer.Argument(help="A run's folder, or one of its checkpoints.", callback=_expanded),
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
        int | None, typer.Option(help="How many images in all; default 10 a class.")
    ] = None,
    truncation: Annotated[
        float | None, typer.Option(help="Redraw latent coordinates beyond this.")
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path,
        typer.Option(
            help="FILE.png: a grid; FILE.npz: arrays; else a folder of PNGs.", callback=_expanded
        ),
    ] = Path("samples.png"),
    which: Which = "best",
) -> None:
    """Generate images of chosen classes; needs no data set."""
    from contragan.console import make_console, note
    from contragan.export import export_samples
    from contragan.sampling import load

    console = make_console()
    _refuse_which_checkpoint(context, run)
    model = load(run, which=which)
    for line in model.notes:
        note(console, f"note: {line}")
    names = None if not classes else model.split_names(classes)
    written = export_samples(
        model, out, classes=names, num=num, seed=seed, truncation=truncation, console=console
    )
    note(console, written)


def _refuse_options(context: typer.Context, names: set[str], mode: str) -> None:
    """Raises UserError where one of these parameters was given, which mean nothing in this mode."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            raise UserError(f"{parameter.opts[0]} means nothing {mode}: leave it out")


def _refuse_which_checkpoint(context: typer.Context, path: Path) -> None:
    from contragan.sampling import checkpoint_at

    if checkpoint_at(path) is not None:
        _refuse_options(context, {"which"}, "where a checkpoint is named")


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
Protocol = Annotated[str | None, typer.Option(help="A named protocol: contragan-paper or full.")]
Features = Annotated[
    str | None, typer.Option(help="efficientnet-lite0, inception, pixels or timm:MODEL.")
]
NumImages = Annotated[int | None, typer.Option(min=2, help="How many images to generate.")]
Reference = Annotated[
    Literal["train", "test"] | None, typer.Option(help="Which real images to compare with.")
]
BatchNorm = Annotated[
    Literal["running", "batch", "standing"] | None,
    typer.Option(help="Which batch-norm statistics the generator uses."),
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
    typer.Option(help="File with the extractor's weights (inception).", callback=_expanded),
]
RunData = Annotated[
    Path | None,
    typer.Option(help="Folder of the data set; default where the run had it.", callback=_expanded),
]
Ema = Annotated[
    bool | None, typer.Option("--ema/--no-ema", help="Moving average of the weights, or not.")
]

_OF_RUNS = {
    "num", "reference", "batch_norm", "data", "skip_unreadable", "seed", "which", "ema"
}  # fmt: skip
_OF_SCORES = {"protocol", "features", "metrics", "probe_images", "resize", "weights", "json_file"}


@app.command()
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
    seed: Seed = 0,
    which: Which = "best",
    ema: Ema = None,
    json_file: JsonFile = None,
) -> None:
    """Score a generator, or images that anything generated, with the whole protocol."""
    from contragan.console import make_console
    from contragan.evaluation import Choice, compare_runs, evaluate_files, evaluate_run

    console = make_console()
    places = [expanded(path) for path in targets]
    if compare:
        _refuse_options(context, _OF_RUNS | _OF_SCORES, "with --compare")
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
        seed=seed,
    )
    if len(places) > 2:
        raise UserError(
            f"{len(places)} places were given: one run, two sets of images, or --compare"
        )
    if len(places) == 2:
        _refuse_options(context, _OF_RUNS, "with two sets of images")
        record = evaluate_files(places[0], places[1], choice, console)
    else:
        _refuse_which_checkpoint(context, places[0])
        record = evaluate_run(places[0], choice, console, which=which, ema=ema)
    _show(record, json_file, console)


def _show(record: EvaluationRecord, json_file: Path | None, console: Console) -> None:
    import json

    from contragan.console import note
    from contragan.metrics import to_table

    if json_file is not None:
        write_text(json_file, json.dumps(record.to_dict()) + "\n")
    console.print(to_table(record))
    for warning in record.warnings:
        note(console, f"warning: {warning}")


@app.command()
def bench(
    recipe: Recipe,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the data set; default synthetic images.", callback=_expanded),
    ] = None,
    overrides: Overrides = None,
    iterations: Annotated[int, typer.Option(min=1, help="How many to measure.")] = 10,
    batches: Annotated[
        str | None, typer.Option(help="Batch sizes, separated by commas; default the recipe's.")
    ] = None,
    step: StepOption = "eager",
    profile: Annotated[
        bool, typer.Option("--profile", help="Show what operators our step spends its time in.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Measure a recipe's training step against a plain one, and against this machine."""
    import json

    from contragan.bench.measure import BenchRequest, bench_batches
    from contragan.bench.report import operators_table, to_table
    from contragan.console import make_console
    from contragan.recipe import load_recipe

    console = make_console()
    if json_file is not None:
        check_writable(json_file.parent, "--json in")
    request = BenchRequest(
        recipe, load_recipe(recipe, overrides), data, iterations, step=step, profile=profile
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


@app.command("import-studiogan")
def import_studiogan(
    generator: Annotated[
        Path,
        typer.Option(help="Checkpoint of G, or of its moving average.", callback=_expanded),
    ],
    discriminator: Annotated[Path, typer.Option(help="Checkpoint of D.", callback=_expanded)],
    recipe: Annotated[str, typer.Option(help="The recipe of the same networks.")],
    out: Annotated[Path, typer.Option(help="Folder of the new run.", callback=_expanded)],
    overrides: Overrides = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the data set, for its classes' names.", callback=_expanded),
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
