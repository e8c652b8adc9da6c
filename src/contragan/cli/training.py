"""``contragan train`` and ``contragan resume``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from contragan.cli.options import (
    Device,
    MovedData,
    Overrides,
    Recipe,
    Report,
    SkipUnreadable,
    StepOption,
    expanded_path,
)

if TYPE_CHECKING:
    from rich.console import Console

    from contragan.training.setup import Request

MaxMinutes = Annotated[
    float | None,
    typer.Option(
        min=0, metavar="MINUTES", help="Save and stop after so many minutes, with exit code 124."
    ),
]
Devices = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Processes on this machine, one per GPU; default as torchrun or SLURM say, else 1.",
    ),
]
Nodes = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Machines; default as torchrun or SLURM say, else 1."),
]
WaitMinutes = Annotated[
    float,
    typer.Option(
        min=0.01, metavar="MINUTES", help="How long several processes wait for each other."
    ),
]


def train(
    recipe: Recipe,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the data set (digits needs none).",
            callback=expanded_path,
        ),
    ] = None,
    overrides: Overrides = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Seeds the networks' weights, the order of the images and every random draw: "
            "same recipe, data, seed and machine, same result.",
        ),
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the run; default runs/RECIPE/SEED, with what --set changes behind "
            "RECIPE.",
            callback=expanded_path,
        ),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Fine-tune: begin with the networks of this run, or of one of its checkpoints, "
            "which may know other classes.",
            callback=expanded_path,
        ),
    ] = None,
    freeze_d: Annotated[
        int | None,
        typer.Option(
            "--freeze-d",
            min=0,
            metavar="N",
            help="With --from: leave the N blocks of the discriminator that are nearest to the "
            "image as they are.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the last checkpoint; begin where there is none."),
    ] = False,
    max_minutes: MaxMinutes = None,
    skip_unreadable: SkipUnreadable = False,
    report: Report = None,
    device: Device = "auto",
    devices: Devices = None,
    nodes: Nodes = None,
    wait_minutes: WaitMinutes = 30,
    step: StepOption = "eager",
) -> None:
    """Train a GAN from a recipe.

    An iteration: training.discriminator_steps updates of D, then one of G.

    SIGINT (Ctrl-C), SIGTERM and SIGUSR1 save a checkpoint and stop; `contragan resume` goes on.

    Exit codes: 0 finished, 124 stopped by --max-minutes, 128 + N stopped by signal N, 3 ended by
    the collapse guard, 2 bad input.
    """
    from contragan.core.console import make_console
    from contragan.training.setup import Request
    from contragan.training.starting_point import requested_recipe

    loaded, settings = requested_recipe(
        recipe, overrides or (), fine_tunes=start_from is not None, freeze_d=freeze_d
    )
    request = Request(
        name=recipe,
        recipe=loaded,
        data=data,
        seed=seed,
        out=out,
        resume=resume,
        max_minutes=max_minutes,
        skip_unreadable=skip_unreadable,
        report=report,
        devices=devices,
        nodes=nodes,
        device=device,
        wait_minutes=wait_minutes,
        step=step,
        overrides=settings,
        start_from=start_from,
    )
    _carry_out(request, make_console())


def resume(
    run: Annotated[Path, typer.Argument(help="The folder of the run.", callback=expanded_path)],
    data: MovedData = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Change how long or how often: training.total_iterations and the like; may be "
            "repeated.",
        ),
    ] = None,
    max_minutes: MaxMinutes = None,
    skip_unreadable: SkipUnreadable = False,
    report: Report = None,
    device: Device = "auto",
    devices: Devices = None,
    nodes: Nodes = None,
    wait_minutes: WaitMinutes = 30,
    step: StepOption = "eager",
) -> None:
    """Go on with a run from its last checkpoint, with its own recipe, data and seed.

    The run ends as if it had never been stopped.

    One that has finished stays as it is. Exit codes: as those of train.
    """
    from contragan.core.console import make_console
    from contragan.training.continuing import continued

    request = continued(
        run,
        overrides,
        data,
        max_minutes=max_minutes,
        skip_unreadable=skip_unreadable,
        report=report,
        devices=devices,
        nodes=nodes,
        device=device,
        wait_minutes=wait_minutes,
        step=step,
    )
    _carry_out(request, make_console())


def _carry_out(request: Request, console: Console) -> NoReturn:
    from contragan.core.console import note
    from contragan.training.train import train

    outcome = train(request, console)
    for line in outcome.lines():
        note(console, line)
    sys.exit(outcome.exit_code)
