"""Runs side by side: their best and last evaluations, with every difference in protocol."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contragan.evaluation.gathered import Evaluations, facts, flat, gathered
from contragan.evaluation.record import EvaluationRecord


@dataclass(frozen=True)
class Comparison:
    """Scores and protocol differences of named records, in their order.

    ``scores`` maps a metric to one value per record, None where a record lacks it. ``differences``
    maps a setting's path to its values where they are not all equal: scores of such records are
    not comparable.
    """

    names: tuple[str, ...]
    scores: dict[str, list[float | None]]
    differences: dict[str, list[Any]]

    @property
    def comparable(self) -> bool:
        """Whether every record follows one protocol."""
        return not self.differences


def compare(records: Mapping[str, EvaluationRecord]) -> Comparison:
    """Compares records by name; ValueError for none."""
    if not records:
        raise ValueError("nothing to compare")
    found = list(records.values())
    metrics = dict.fromkeys(name for record in found for name in record.values)
    settings = [flat(facts(record)) for record in found]
    paths = dict.fromkeys(path for setting in settings for path in setting)
    values = {path: [setting.get(path) for setting in settings] for path in paths}
    return Comparison(
        tuple(records),
        {name: [record.values.get(name) for record in found] for name in metrics},
        {path: row for path, row in values.items() if _differs(path, row)},
    )


def _differs(path: str, row: list[Any]) -> bool:
    # A count is missing where its metric was not computed: that is not another protocol.
    known = [value for value in row if value is not None or not path.startswith("counts.")]
    return any(value != known[0] for value in known)


@dataclass(frozen=True)
class ComparedRun:
    """A run among others: its short name, and its evaluations under one protocol."""

    name: str
    evaluations: Evaluations

    @property
    def last(self) -> EvaluationRecord:
        return self.evaluations.by_iteration[self.evaluations.last]

    def entries(self) -> dict[str, int]:
        """The iterations of the best evaluation, where there is one, and of the last."""
        best = {} if self.evaluations.best is None else {"best": self.evaluations.best}
        return {**best, "last": self.evaluations.last}


@dataclass(frozen=True)
class RunsCompared:
    """Several runs, and what there is to say of them all."""

    runs: tuple[ComparedRun, ...]
    comparison: Comparison
    """Of the last evaluations."""

    def rows(self) -> list[dict[str, Any]]:
        """Two rows per run, its best and its last evaluation: values, and all they depend on."""
        return [
            {
                "run": str(run.evaluations.path),
                "evaluation": which,
                "iteration": iteration,
                "evaluations": len(run.evaluations.by_iteration),
                "seed": record.seed,
                "values": record.values,
                "protocol": facts(record),
            }
            for run in self.runs
            for which, iteration in run.entries().items()
            for record in [run.evaluations.by_iteration[iteration]]
        ]

    def to_dict(self) -> dict[str, Any]:
        """All as JSON values."""
        names = [str(run.evaluations.path) for run in self.runs]
        differences = self.comparison.differences.items()
        return {
            "comparable": self.comparison.comparable,
            "differences": {path: dict(zip(names, row, strict=True)) for path, row in differences},
            "evaluations": self.rows(),
        }

    def to_csv(self) -> str:
        """The rows as a table: scores by their names in ``metrics.jsonl``, then the protocol."""
        rows = [
            {key: value for key, value in row.items() if key not in {"values", "protocol"}}
            | row["values"]
            | flat(row["protocol"])
            for row in self.rows()
        ]
        scores = [name for row in self.rows() for name in row["values"]]
        columns = dict.fromkeys(["run", "evaluation", "iteration", "evaluations", "seed", *scores])
        columns |= dict.fromkeys(name for row in rows for name in row)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()


def compare_runs(paths: Sequence[Path]) -> RunsCompared:
    """The best and the last evaluation of each run, under one protocol where they share one.

    Raises:
        UserError: a run that was never evaluated, is named twice, or whose log is damaged.
    """
    found = gathered(paths)
    names = short_names(paths)
    runs = tuple(ComparedRun(name, one) for name, one in zip(names, found, strict=True))
    return RunsCompared(runs, compare({str(one.evaluations.path): one.last for one in runs}))


def short_names(paths: Sequence[Path]) -> list[str]:
    """What tells several folders apart: their paths without the parts that all begin or end with.

    >>> short_names([Path("runs/digits/biggan/0"), Path("runs/digits/acgan/0")])
    ['biggan', 'acgan']
    """
    if len(paths) == 1:
        return [str(paths[0])]
    parts = [list(Path(os.path.abspath(path)).parts) for path in paths]
    shortest = min(map(len, parts))
    begin = 0
    while begin < shortest - 1 and len({part[begin] for part in parts}) == 1:
        begin += 1
    end = 0
    while end < shortest - 1 - begin and len({part[-1 - end] for part in parts}) == 1:
        end += 1
    return ["/".join(part[begin : len(part) - end]) for part in parts]
