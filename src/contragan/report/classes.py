"""Classes over training: confusion matrices with their faults, and one table per run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from contragan.core.words import counted
from contragan.evaluation.by_class import columns_by_class, faults, marked, matrix, order
from contragan.evaluation.record import EvaluationRecord
from contragan.report.read import RunFacts

T = TypeVar("T")

MOST_SHOWN = 40
"""Classes of a confusion matrix; of more, those with the lowest accuracy at the end."""
MOST_FRAMES = 100
"""Evaluations of a confusion matrix's slider; of more, evenly spread ones."""


@dataclass
class Confusion:
    """Frames over training: step, counts (K, K), marks and sentences; JSON values."""

    names: list[str]
    frames: list[dict[str, Any]]


@dataclass
class ClassTable:
    """One row per class, worst first by one column; None where a value is unknown.

    ``rising`` says whether less of ``sorted_by`` is worse.
    """

    step: int
    sorted_by: str
    rising: bool
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[str, list[float | None]]] = field(default_factory=list)


def confusion(run: RunFacts) -> Confusion | None:
    """A run's confusion matrices, of every evaluation with the classes of the last one."""
    known = [(step, record) for step, record in run.evaluations if matrix(record) is not None]
    if not known:
        return None
    last = known[-1][1].class_fidelity or {}
    names = list(last["class_accuracy"])
    usable = [
        (step, record)
        for step, record in known
        if list((record.class_fidelity or {})["class_accuracy"]) == names
    ]
    if len(usable) < len(known):
        dropped = len(known) - len(usable)
        matrices = counted(dropped, "confusion matrix", "confusion matrices")
        run.left_out.append(f"{matrices} of other classes than the last: left out.")
    shown = _worst(last["class_accuracy"], MOST_SHOWN)
    if len(shown) < len(names):
        run.left_out.append(
            f"The confusion matrix shows the {len(shown)} classes of {len(names)} with the lowest "
            "accuracy at the end."
        )
    if len(usable) > MOST_FRAMES:
        run.left_out.append(f"Of {len(usable)} confusion matrices {MOST_FRAMES} are shown.")
    frames = [
        _frame(run, step, record, names, shown) for step, record in spread(usable, MOST_FRAMES)
    ]
    return Confusion([names[index] for index in shown], frames)


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most ``most`` of the items, evenly, with the first and the last.

    >>> spread([0, 1, 2, 3, 4], 3)
    [0, 2, 4]
    """
    if len(items) <= most:
        return list(items)
    if most == 1:
        return [items[-1]]
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _worst(accuracy: Mapping[str, float | None], most: int) -> list[int]:
    values = list(accuracy.values())
    if len(values) <= most:
        return list(range(len(values)))
    key = [math.inf if value is None else value for value in values]
    return sorted(sorted(range(len(values)), key=key.__getitem__)[:most])


def _frame(
    run: RunFacts, step: int, record: EvaluationRecord, names: list[str], shown: list[int]
) -> dict[str, Any]:
    fidelity, counts = record.class_fidelity or {}, matrix(record) or []
    place = {names[index]: position for position, index in enumerate(shown)}
    marks = [
        [place[row], place[column], kind]
        for row, column, kind in marked(fidelity)
        if row in place and column in place
    ]
    return {
        "step": step,
        "features": str(record.protocol["extractor"]["extractor"]),
        "rows": [[counts[row][column] for column in shown] for row in shown],
        "totals": [sum(counts[row]) for row in shown],
        "marks": marks,
        "text": faults(fidelity),
    }


def class_table(run: RunFacts, most: int) -> ClassTable | None:
    """A run's classes at its last evaluation by class, at most ``most`` of them."""
    by_class = ((step, columns_by_class(record)) for step, record in reversed(run.evaluations))
    step, columns = next((found for found in by_class if found[1]), (0, {}))
    if not columns:
        return None
    key, rising, names = order(columns)
    table = ClassTable(step, key, rising, list(columns))
    table.rows = [(name, [values.get(name) for values in columns.values()]) for name in names]
    if len(table.rows) > most:
        run.left_out.append(f"The table of classes shows the {most} worst of {len(table.rows)}.")
        table.rows = table.rows[:most]
    return table
