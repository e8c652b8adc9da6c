"""``contragan study``: grids of runs, and how far they are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contragan.cli.options import SkipUnreadable, expanded_path

if TYPE_CHECKING:
    from contragan.studies.prepare import StudyRequest

study_app = typer.Typer(
    help="Grids of runs: the paper's tables and figures, or your own.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="A study's name, or the path of a YAML file.")]
ScaleName = Annotated[
    str | None, typer.Option("--scale", help="How far the study is reduced; see study show.")
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the study; default studies/NAME-SCALE.", callback=expanded_path),
]
OutArgument = Annotated[
    Path, typer.Argument(help="The folder that study run wrote.", callback=expanded_path)
]
Pool = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the runs, which studies may share; default runs, beside OUT.",
        callback=expanded_path,
    ),
]
Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="[KIND=]PATH",
        help="Folder of a data set, with its kind where there are several; may be repeated.",
    ),
]
Seeds = Annotated[int | None, typer.Option(min=1, help="Runs per cell; default as the scale says.")]


@study_app.command("list")
def list_studies() -> None:
    """List the studies that come with the package."""
    from contragan.studies.catalog import load_study, study_names

    names = study_names()
    width = max(map(len, names), default=0)
    for name in names:
        study = load_study(name)[1]
        print(f"{name:<{width}}  {study.title} (scales: {', '.join(study.scales)})")


@study_app.command("show")
def show(name: Name, scale: ScaleName = None) -> None:
    """Show a study's cells and scales; with --scale, its runs."""
    from contragan.core.console import make_console
    from contragan.studies.show import show_study

    show_study(name, scale, make_console())


@study_app.command("run")
def run(
    name: Name,
    scale: ScaleName = None,
    out: Out = None,
    pool: Pool = None,
    data: Data = None,
    seeds: Seeds = None,
    skip_unreadable: SkipUnreadable = False,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs at a time; default one per GPU, or one."),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="ray|ray://HOST:PORT", help="Make the runs on a Ray cluster (contragan[ray])."
        ),
    ] = None,
) -> None:
    """Make the runs of a study that are missing, and go on with those that were stopped."""
    from contragan.core.console import make_console
    from contragan.studies.launch import run_study

    request = _request(name, scale, out, pool, data, seeds, skip_unreadable)
    sys.exit(run_study(request, jobs, make_console(), on))


@study_app.command("status")
def status(out: OutArgument) -> None:
    """Show how far the runs of a study are."""
    from contragan.core.console import make_console
    from contragan.studies.show import show_status

    show_status(out, make_console())


@study_app.command("commands")
def commands(
    name: Name,
    scale: ScaleName = None,
    out: Out = None,
    pool: Pool = None,
    data: Data = None,
    seeds: Seeds = None,
    skip_unreadable: SkipUnreadable = False,
) -> None:
    """Print one shell line per run, for SLURM or anything else that starts commands."""
    from contragan.core.words import command_line
    from contragan.studies.prepare import prepare

    prepared = prepare(_request(name, scale, out, pool, data, seeds, skip_unreadable))
    prepared.write()
    for line in prepared.notes():  # the output is for a shell
        print(line, file=sys.stderr)
    for planned in prepared.runs:
        print(command_line(["contragan", *prepared.command(planned)]))


def _request(
    name: str,
    scale: str | None,
    out: Path | None,
    pool: Path | None,
    data: list[str] | None,
    seeds: int | None,
    skip_unreadable: bool,
) -> StudyRequest:
    from contragan.studies.prepare import StudyRequest

    return StudyRequest(name, scale, out, pool, tuple(data or ()), seeds, skip_unreadable)
