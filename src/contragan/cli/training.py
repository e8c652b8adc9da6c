"""``contragan train``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from contragan.cli.options import (
    Device,
    Overrides,
    Recipe,
    Seed,
    SkipUnreadable,
    StepOption,
    expanded_path,
)


def train(
    recipe: Recipe,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the data set (digits needs none).", callback=expanded_path),
    ] = None,
    overrides: Overrides = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run; default runs/RECIPE/SEED.", callback=expanded_path),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the last checkpoint; begin where there is none."),
    ] = False,
    max_minutes: Annotated[
        float | None, typer.Option(min=0, help="Save and stop after so many minutes.")
    ] = None,
    skip_unreadable: SkipUnreadable = False,
    device: Device = "auto",
    devices: Annotated[
        int | None,
        typer.Option(min=1, help="Processes on this machine; default as torchrun or SLURM say."),
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(min=1, help="Machines; default as torchrun or SLURM say.")
    ] = None,
    wait_minutes: Annotated[
        float, typer.Option(min=0.01, help="How long processes wait for each other.")
    ] = 30,
    step: StepOption = "eager",
) -> None:
    """Train a GAN from a recipe."""
    from contragan.core.console import make_console, note
    from contragan.recipes.schema import load_recipe
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
        device=device,
        wait_minutes=wait_minutes,
        step=step,
    )
    console = make_console()
    outcome = train(request, console)
    for line in outcome.lines():
        note(console, line)
    sys.exit(outcome.exit_code)
