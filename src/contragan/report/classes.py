"""Classes over training: confusion matrices with their faults, and one table per run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from contragan.evaluation.record import EvaluationRecord
from contragan.report.read import RunFacts

T = TypeVar("T")

MOST_SHOWN = 40
"""Classes of a confusion matrix; of more, those with the lowest accuracy at the end."""
MOST_FRAMES = 100
"""Evaluations of a confusion matrix's slider; of more, evenly spread ones."""

EXPLANATION = (
    "Each row is the class that was asked for, each column the class that a classifier sees; "
    "permuted means that a class's images show another class, so that other labels would mend it, "
    "and merged means that several classes show the same one."
)


@dataclass
class Confusion:
    """Frames over training: step, counts (K, K), marks and sentences; JSON values."""

    names: list[str]
    frames: list[dict[str, Any]]


@dataclass
class ClassTable:
    """One row per class, worst first; None where a value is unknown."""

    step: int
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[str, list[float | None]]] = field(default_factory=list)


def confusion(run: RunFacts) -> Confusion | None:
    """A run's confusion matrices, of every evaluation with the classes of the last one."""
    known = [(step, record) for step, record in run.evaluations if _matrix(record) is not None]
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
        run.left_out.append(
            f"{dropped} confusion matrices of other classes than the last: left out."
        )
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


def _matrix(record: EvaluationRecord) -> list[list[int]] | None:
    """The confusion matrix where it is whole: (K, K) counts for K named classes."""
    fidelity = record.class_fidelity
    if not isinstance(fidelity, dict):
        return None
    counts, accuracy = fidelity.get("confusion"), fidelity.get("class_accuracy")
    if not isinstance(counts, list) or not isinstance(accuracy, dict):
        return None
    size = len(accuracy)
    whole = len(counts) == size and all(isinstance(r, list) and len(r) == size for r in counts)
    return counts if whole and all(isinstance(c, int) for row in counts for c in row) else None


def _worst(accuracy: Mapping[str, float | None], most: int) -> list[int]:
    values = list(accuracy.values())
    if len(values) <= most:
        return list(range(len(values)))
    key = [math.inf if value is None else value for value in values]
    return sorted(sorted(range(len(values)), key=key.__getitem__)[:most])


def _frame(
    run: RunFacts, step: int, record: EvaluationRecord, names: list[str], shown: list[int]
) -> dict[str, Any]:
    fidelity, counts = record.class_fidelity or {}, _matrix(record) or []
    place = {names[index]: position for position, index in enumerate(shown)}
    marks = [
        [place[row], place[column], kind]
        for row, column, kind in _marked(fidelity)
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


def _marked(fidelity: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(class asked for, class shown, kind) of each permuted and each merged class."""
    found = []
    if fidelity.get("permuted"):
        found += [(str(a), str(b), "permuted") for a, b in fidelity["permutation"].items()]
    for group in fidelity.get("merged") or ():
        found += [(str(name), str(group["shown"]), "merged") for name in group["classes"]]
    return found


def faults(fidelity: Mapping[str, Any]) -> list[str]:
    """What is wrong with the classes, one sentence per kind of fault.

    >>> faults({"permuted": True, "permutation": {"3": "8", "8": "3"}})
    ['Permuted: 3 shows 8, 8 shows 3.']
    """
    if fidelity.get("conditional") is False:
        return ["The generator was trained without labels: its classes mean nothing."]
    found = []
    if fidelity.get("permuted"):
        pairs = ", ".join(f"{a} shows {b}" for a, b in fidelity["permutation"].items())
        found.append(f"Permuted: {pairs}.")
    if merged := fidelity.get("merged"):
        groups = "; ".join(f"{', '.join(g['classes'])} all show {g['shown']}" for g in merged)
        found.append(f"Merged: {groups}.")
    if lost := fidelity.get("lost"):
        found.append(f"Lost (no class in particular is seen): {', '.join(map(str, lost))}.")
    if fidelity.get("confused"):
        found.append("Labels hardly decide what is drawn.")
    return found or ["No class is permuted, merged or lost."]


def class_table(run: RunFacts, most: int) -> ClassTable | None:
    """A run's classes at its last evaluation by class, at most ``most`` of them."""
    by_class = ((step, _columns(record)) for step, record in reversed(run.evaluations))
    step, columns = next((found for found in by_class if found[1]), (0, {}))
    if not columns:
        return None
    names = list(dict.fromkeys(name for values in columns.values() for name in values))
    table = ClassTable(step, list(columns))
    table.rows = [(name, [values.get(name) for values in columns.values()]) for name in names]
    rising = next(iter(columns)).startswith("accuracy")
    table.rows.sort(key=lambda row: _badness(row[1][0], rising))
    if len(table.rows) > most:
        run.left_out.append(f"The table of classes shows the {most} worst of {len(table.rows)}.")
        table.rows = table.rows[:most]
    return table


def _badness(value: float | None, rising: bool) -> float:
    if value is None:
        return math.inf
    return value if rising else -value


_TITLES = {"kernel_per_class": "kernel distance"}


def _columns(record: EvaluationRecord) -> dict[str, dict[str, float | None]]:
    """Every quantity that the record has by class: title -> class -> value."""
    found: dict[str, dict[str, float | None]] = {}
    fidelity = record.class_fidelity or {}
    for key, title in (("class_accuracy", "accuracy"), ("real_class_accuracy", "on real images")):
        if isinstance(fidelity.get(key), dict) and fidelity.get("conditional") is not False:
            found[title] = _numbers(fidelity[key])
    for metric, details in record.details.items():
        if not isinstance(details, dict):
            continue
        for key, values in details.items():
            if key.endswith("per_class") and isinstance(values, dict) and values:
                found |= _by_class(metric, key, values)
    return {title: values for title, values in found.items() if values}


def _by_class(metric: str, key: str, values: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    title = _TITLES.get(key, metric.replace("_", " "))
    nested = [value for value in values.values() if isinstance(value, dict)]
    if not nested:
        return {title: _numbers(values)}
    columns = dict.fromkeys(column for value in nested for column in value)
    found = {}
    for column in columns:
        by_name = {name: v.get(column) for name, v in values.items() if isinstance(v, dict)}
        short = column.replace("_", " ")
        found[short if metric == "precision_recall" else f"{title}: {short}"] = _numbers(by_name)
    return found


def _numbers(values: Mapping[str, Any]) -> dict[str, float | None]:
    """The numbers among a record's values by class; {} where there are none."""
    found = {
        name: float(value) if isinstance(value, int | float) and math.isfinite(value) else None
        for name, value in values.items()
    }
    return found if any(value is not None for value in found.values()) else {}
