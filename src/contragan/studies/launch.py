"""``contragan study run``: prepare, run, and say how it ended."""

from __future__ import annotations

from rich.console import Console

from contragan.core.console import is_abandoned, note
from contragan.core.errors import UserError
from contragan.studies.jobs import LocalPlace, Place
from contragan.studies.prepare import Prepared, StudyRequest, prepare
from contragan.studies.runner import Progress, Runner
from contragan.studies.state import is_done
from contragan.studies.stop import RunnerStop
from contragan.studies.view import View


def run_study(
    request: StudyRequest, jobs: int | None, console: Console, on: str | None = None
) -> int:
    """Make what a study misses; returns the exit code: 0, 1 where runs failed, or the signal's.

    ``on`` is ``ray``, ``ray://HOST:PORT``, or None for processes of this machine.

    Raises:
        UserError: what was asked for cannot be run; nothing was started.
    """
    if on is not None and on != "ray" and not on.startswith("ray://"):
        raise UserError(f"--on {on}: give ray or ray://HOST:PORT, or leave it out")
    prepared = prepare(request)
    record = prepared.record
    made = sum(is_done(prepared.pool / run.name, run.recorded) for run in prepared.runs)
    place = _place(on, jobs) if made < len(prepared.runs) else None
    note(console, f"study {record.title}: {record.study.scales[record.scale].note}")
    note(console, f"{len(prepared.runs)} runs in {prepared.pool}, {made} of them made already")
    for line in prepared.notes():
        note(console, line)
    stop = RunnerStop(lambda: is_abandoned(console))
    prepared.write()
    if place is not None:
        note(console, place.describe())
        runs = Runner(prepared, place, View(console, record.title), stop).run()
        for line in _ending(prepared, runs, stop):
            note(console, line)
        if any(run.kind != "done" for run in runs):
            return stop.exit_code or 1
    note(console, f"study: {prepared.out}")
    return 0


def _place(on: str | None, jobs: int | None) -> Place:
    if on is None:
        return LocalPlace(jobs)
    from contragan.studies.ray_jobs import RayPlace

    return RayPlace(on, jobs)


def _ending(prepared: Prepared, runs: list[Progress], stop: RunnerStop) -> list[str]:
    counts = {kind: sum(run.kind == kind for run in runs) for kind in ("done", "failed")}
    lines = [f"{counts['done']} of {len(runs)} runs are done"]
    if counts["failed"]:
        lines += [f"failed: {run.name}: {run.detail}" for run in runs if run.kind == "failed"]
        lines.append(f"their output is in {prepared.pool}, in files that end in .log")
    if counts["done"] + counts["failed"] < len(runs):
        lines.append("go on: the same command again")
    elif counts["failed"]:
        lines.append("try the failed runs again: the same command")
    return lines
