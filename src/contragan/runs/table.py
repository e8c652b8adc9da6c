"""A run's measurements as one tidy table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from contragan.core.errors import UserError
from contragan.recipes.catalog import nearest
from contragan.runs.log import read_metrics

if TYPE_CHECKING:
    from contragan.runs.run import Run

KINDS = ("data.kind", "generator.kind", "conditioning.kind", "adversarial.kind")
"""The settings that a table shows unless it is asked for others."""


def metrics_table(run: Run, settings: Sequence[str] = KINDS) -> Any:
    """One row per measured value, see :meth:`contragan.runs.run.Run.metrics`."""
    known = _flat(run.recipe.model_dump(mode="json"))
    for path in settings:
        if path not in known:
            raise UserError(f"the recipe has no setting '{path}'{nearest(path, list(known))}")
    facts = {
        "run": str(run.path),
        "recipe": run.name,
        "seed": run.seed,
        **{path: known[path] for path in settings},
    }
    log = run.path / "metrics.jsonl"
    records = read_metrics(log) if log.exists() else []
    rows = [facts | row for row in _measured(records)]
    try:
        pandas = import_module("pandas")  # which is not one of the package's own needs
    except ImportError:
        return rows
    columns = [*facts, "step", "wall_seconds", "name", "value", "unit", "features"]
    return pandas.DataFrame(rows, columns=columns)


def _measured(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Values with the seconds that training had taken; those of an evaluation with its features."""
    clock = _clock(records)
    rows: list[dict[str, Any]] = []
    for record in records:
        step, name = record["step"], record["name"]
        if name == "evaluation":  # scores also stand one by one before it, without their features
            features = record["protocol"]["extractor"]["extractor"]
            found = [
                (f"evaluation/{score}", value, _unit(score), features)
                for score, value in record["values"].items()
            ]
        elif "value" in record and not name.startswith("evaluation/"):
            found = [(name, record["value"], record.get("unit", ""), None)]
        else:
            continue
        rows += [
            {
                "step": step,
                "wall_seconds": clock(step),
                "name": name,
                "value": value,
                "unit": unit,
                "features": features,
            }
            for name, value, unit, features in found
        ]
    return rows


def _clock(records: list[dict[str, Any]]) -> Callable[[int], float | None]:
    """Seconds of training up to a step, by the speeds in the log; None beyond the last of them."""
    steps, seconds = [0], [0.0]
    for record in records:
        if record["name"] == "iterations_per_second" and record["step"] > steps[-1]:
            seconds.append(seconds[-1] + (record["step"] - steps[-1]) / record["value"])
            steps.append(record["step"])

    def clock(step: int) -> float | None:
        return float(np.interp(step, steps, seconds)) if step <= steps[-1] else None

    return clock


def _unit(score: str) -> str:
    from contragan.metrics.registry import SCORES

    return SCORES[score].unit if score in SCORES else ""


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted paths; lists as they are."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{prefix}{key}"
        flat |= _flat(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return flat
