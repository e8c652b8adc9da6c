"""A study's results: what its runs measured, by cell, as mean and spread over seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Literal

from contragan.studies.readings import DISTANCE, Evaluation, Reading, read_run
from contragan.studies.record import Record, RecordedRun, pool_of
from contragan.studies.schema import Cell
from contragan.studies.state import RunState, state_of

At = Literal["best", "last"]
"""Which evaluation of each run counts: that of the lowest Fréchet distance, or the last."""

AT: tuple[At, ...] = ("best", "last")


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of ``n`` runs; no deviation of a single one."""

    mean: float
    deviation: float | None
    n: int


def spread(values: list[float]) -> Spread | None:
    """Mean and sample standard deviation; None of no values.

    >>> spread([1.0, 2.0, 3.0])
    Spread(mean=2.0, deviation=1.0, n=3)
    """
    if not values:
        return None
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class RunResult:
    """A run of a cell. Only what a run that is done measured counts: an earlier evaluation of a
    run on its way is not its best."""

    run: RecordedRun
    state: RunState
    reading: Reading

    @property
    def done(self) -> bool:
        return self.state.kind == "done"

    @property
    def word(self) -> str:
        """How far it is: a run that waits was never started, or stopped."""
        if self.state.kind != "waiting":
            return self.state.kind
        return "stopped" if self.state.iteration else "missing"

    def evaluation(self, at: At) -> Evaluation | None:
        if not self.done:
            return None
        return self.reading.best if at == "best" else self.reading.last


@dataclass(frozen=True)
class CellResult:
    """A cell and its runs, one for each seed."""

    cell: Cell
    runs: tuple[RunResult, ...]

    def values(self, score: str, at: At) -> list[float]:
        """A score of each run that is done and measured it."""
        found = [run.evaluation(at) for run in self.runs]
        values = [e.scores[score] for e in found if e is not None and score in e.scores]
        return [value for value in values if math.isfinite(value)]

    def spread(self, score: str, at: At) -> Spread | None:
        return spread(self.values(score, at))

    def seconds(self) -> Spread | None:
        """Seconds per iteration, as measured beside whatever else the machine did."""
        found = [run.reading.seconds_each for run in self.runs if run.done]
        return spread([value for value in found if value is not None])

    def parameters(self) -> tuple[int, int] | None:
        """Parameters of G and D: the same with every seed."""
        found = [run.reading.parameters for run in self.runs]
        return next((count for count in found if count is not None), None)

    def unfinished(self) -> dict[str, int]:
        """How many runs are not done, by how far they are."""
        words = [run.word for run in self.runs if not run.done]
        return {word: words.count(word) for word in dict.fromkeys(words)}


@dataclass(frozen=True)
class Results:
    """A study's cells at its scale, in its order."""

    record: Record
    cells: tuple[CellResult, ...]

    def of(self, label: str) -> CellResult | None:
        """The cell of that label; None where the scale leaves it out."""
        return next((found for found in self.cells if found.cell.label == label), None)

    @property
    def done(self) -> list[RunResult]:
        """The runs that are done, each once."""
        found = {run.run.name: run for cell in self.cells for run in cell.runs if run.done}
        return list(found.values())

    @property
    def main_score(self) -> str:
        """The score that stands beside the published numbers."""
        scores = self.record.study.scores
        return DISTANCE if DISTANCE in scores else scores[0]

    @property
    def scores(self) -> list[str]:
        """The scores that the study shows and some run measured."""
        measured = {
            score for run in self.done for each in run.reading.evaluations for score in each.scores
        }
        return [score for score in self.record.study.scores if score in measured]


def read_results(record: Record, out: Path) -> Results:
    """Read the runs of a study, each once."""
    pool = pool_of(record, out)
    states = {run.name: state_of(pool, run) for run in record.distinct()}
    readings = {name: read_run(pool / name) for name in states}
    cells = []
    for cell in record.study.cells:
        runs = [run for run in record.runs if (run.row, run.column) == (cell.row, cell.column)]
        if runs:
            found = (RunResult(run, states[run.name], readings[run.name]) for run in runs)
            cells.append(CellResult(cell, tuple(found)))
    return Results(record, tuple(cells))
