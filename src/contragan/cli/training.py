"""``contragan train`` and ``contragan resume``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from contragan.cli.options import (
    Device,
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
    typer.Option(min=0, help="Save and stop after so many minutes, with exit code 124."),
]
Devices = Annotated[
    int | None,
    typer.Option(min=1, help="Processes on this machine; default as torchrun or SLURM say."),
]
Nodes = Annotated[
    int | None, typer.Option(min=1, help="Machines; default as torchrun or SLURM say.")
]
WaitMinutes = Annotated[
    float, typer.Option(min=0.01, help="How long processes wait for each other.")
]


def train(
    recipe: Recipe,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the data set (digits needs none).", callback=expanded_path),
    ] = None,
    overrides: Overrides = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            help="Seeds the networks' weights, the order of the images and every random draw: "
            "same recipe, data, seed and machine, same result.",
        ),
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run; default runs/RECIPE/SEED, with what --set changes behind "
            "RECIPE.",
            callback=expanded_path,
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

    SIGINT (Ctrl-C), SIGTERM and SIGUSR1 save a checkpoint and stop; `contragan resume` goes on.

    Exit codes: 0 finished, 124 stopped by --max-minutes, 128 + N stopped by signal N, 2 bad input.
    """
    from contragan.core.console import make_console
    from contragan.recipes.schema import load_recipe
    from contragan.training.setup import Request

    request = Request(
        name=recipe,
        recipe=load_recipe(recipe, overrides),
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
        overrides=tuple(overrides or ()),
    )
    _carry_out(request, make_console())


def resume(
    run: Annotated[Path, typer.Argument(help="The run's folder.", callback=expanded_path)],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the data set; default where the run had it.", callback=expanded_path
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Change a length or an interval, such as training.total_iterations; may be "
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

    Exit codes are those of `contragan train`. A run that has finished stays as it is.
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
