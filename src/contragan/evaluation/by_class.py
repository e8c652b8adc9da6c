"""What an evaluation says class by class, for pages and figures: matrix, faults, scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from contragan.core.words import joined
from contragan.evaluation.record import EvaluationRecord

EXPLANATION = (
    "Each row is the class that was asked for, each column the class that a classifier sees; "
    "permuted means that a class's images show another class, so that other labels would mend it, "
    "and merged means that several classes show the same one."
)


NO_FAULT = "No class is permuted, merged or lost."


def matrix(record: EvaluationRecord) -> list[list[int]] | None:
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


def marked(fidelity: Mapping[str, Any]) -> list[tuple[str, str, str]]:
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
        groups = "; ".join(_merged(group["classes"], group["shown"]) for group in merged)
        found.append(f"Merged: {groups}.")
    if lost := fidelity.get("lost"):
        found.append(f"Lost (no class in particular is seen): {', '.join(map(str, lost))}.")
    if fidelity.get("confused"):
        found.append("Labels hardly decide what is drawn.")
    return found or [NO_FAULT]


def _merged(names: Sequence[str], shown: str) -> str:
    return f"{joined(names)} {'both' if len(names) == 2 else 'all'} show {shown}"


_TITLES = {
    "kernel_per_class": "kernel distance",
    "intra_class_distance": "intra-class distance",
}

DISTINCT = {
    "images": "images compared",
    "distinct": "distinct images",
    "real": "distinct real images",
}
"""What the metric distinct_images counts by class, and the titles of its counts."""

COMPARED = {"images", DISTINCT["images"]}
"""Columns that say how many images were looked at, and nothing of how good they are."""

COUNTS = {*DISTINCT.values(), "images", "alike", "real alike"}
"""Columns that are numbers of images."""


def columns_by_class(record: EvaluationRecord) -> dict[str, dict[str, float | None]]:
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
                found |= quantity_by_class(metric, key, values)
    return {title: values for title, values in found.items() if values}


def order(columns: Mapping[str, Mapping[str, float | None]]) -> tuple[str, bool, list[str]]:
    """The column that decides which class is worst, whether less of it is worse, and the classes.

    It is the first that says how good images are: the accuracy where there is one. The worst class
    comes first, those of unknown value last.

    >>> order({"distance": {"cat": 2.0, "dog": 9.0, "owl": None}})
    ('distance', False, ['dog', 'cat', 'owl'])
    """
    key = next((title for title in columns if title not in COMPARED), next(iter(columns)))
    rising = "distance" not in key

    def badness(name: str) -> float:
        value = columns[key].get(name)
        return math.inf if value is None else value if rising else -value

    names = dict.fromkeys(name for values in columns.values() for name in values)
    return key, rising, sorted(names, key=badness)


def quantity_by_class(
    metric: str, key: str, values: dict[str, Any]
) -> dict[str, dict[str, float | None]]:
    """One quantity of a metric by class, as columns: title -> class -> value."""
    title = _TITLES.get(key) or _TITLES.get(metric, metric.replace("_", " "))
    nested = [value for value in values.values() if isinstance(value, dict)]
    if not nested:
        return {title: _numbers(values)}
    columns = dict.fromkeys(column for value in nested for column in value)
    found = {}
    for column in columns:
        by_name = {name: v.get(column) for name, v in values.items() if isinstance(v, dict)}
        short = column.replace("_", " ")
        said = DISTINCT.get(column) if metric == "distinct_images" else None
        if said is None:
            said = short if metric == "precision_recall" else f"{title}: {short}"
        found[said] = _numbers(by_name)
    return found


def _numbers(values: Mapping[str, Any]) -> dict[str, float | None]:
    """The numbers among a record's values by class; {} where there are none."""
    found = {
        name: float(value) if isinstance(value, int | float) and math.isfinite(value) else None
        for name, value in values.items()
    }
    return found if any(value is not None for value in found.values()) else {}
