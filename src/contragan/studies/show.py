"""What a study is, and how far its runs are, for people."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contragan.core.console import note
from contragan.studies.catalog import load_study, scale_of
from contragan.studies.record import Record, pool_of, read_record
from contragan.studies.state import RunState, state_of


def show_study(name: str, scale: str | None, console: Console) -> None:
    """Print a study's question, scales and cells; at a scale, the runs that it needs.

    Raises:
        UserError: no such study or scale, or a recipe or setting that does not exist.
    """
    called, study = load_study(name)
    note(console, f"{called}: {study.title}")
    if study.paper:
        note(console, f"paper: {study.paper}")
    note(console, f"question: {study.question}")
    chosen = None if scale is None else scale_of(study, scale, f"study {called}")
    for key, one in study.scales.items():
        if chosen in {None, key}:
            seeds = "1 seed" if one.seeds == 1 else f"{one.seeds} seeds"
            note(console, f"scale {key}: {one.note} ({seeds})")
    if chosen is not None:
        from contragan.studies.needs import EMBEDDED
        from contragan.studies.plan import distinct, plan

        runs = distinct(plan(study, chosen))
        kinds = dict.fromkeys(run.recorded.data for run in runs)
        external = [kind for kind in kinds if kind not in EMBEDDED]
        note(console, f"data sets: {', '.join(external) or 'none to give'}")
        for run in runs:
            note(console, f"{run.name}  {run.recorded.label}")
        return
    table = Table()
    for title in ("row", "column", "recipe and settings"):
        table.add_column(title, overflow="fold")
    for cell in study.cells:
        table.add_row(
            *map(escape, (cell.row, cell.column, " ".join([cell.recipe, *cell.settings])))
        )
    console.print(table)


def show_status(out: Path, console: Console) -> None:
    """Print how far every run of a study's folder is.

    Raises:
        UserError: it is not a study's folder.
    """
    record = read_record(out)
    pool = pool_of(record, out)
    states = [(run, state_of(pool, run)) for run in record.distinct()]
    note(console, _title(record, pool))
    table = Table()
    for title in ("run", "", "iteration"):
        table.add_column(
            title, overflow="fold", justify="right" if title == "iteration" else "left"
        )
    for run, state in states:
        iteration = f"{state.iteration:,} of {run.total_iterations:,}"
        table.add_row(escape(run.label), state.kind, iteration if state.iteration else "")
    console.print(table)
    note(console, _summary([state for _, state in states]))
    for run, state in states:
        if state.kind == "failed":
            note(console, f"failed {run.name}: {state.detail}")


def _title(record: Record, pool: Path) -> str:
    return f"study {record.title}: {record.study.scales[record.scale].note}; runs in {pool}"


def _summary(states: list[RunState]) -> str:
    kinds = ("done", "running", "waiting", "failed")
    counts = {kind: sum(state.kind == kind for state in states) for kind in kinds}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
