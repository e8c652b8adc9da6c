"""What a run's folder holds, read as far as it can be.

A report of a broken run must still open, so nothing here is refused: what cannot be read is left
out, and one line says so.
"""

from __future__ import annotations

import json
import math
import os
import re
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from contragan.core.errors import UserError
from contragan.core.words import counted
from contragan.evaluation.record import EvaluationRecord, todays_name
from contragan.recipes.catalog import name_beside_seed
from contragan.recipes.schema import parse_recipe
from contragan.runs.lock import holder
from contragan.runs.run import DATASET, ENVIRONMENT, RECIPE, is_run

METRICS = "metrics.jsonl"


@dataclass
class Series:
    """One recorded quantity: ``steps`` and ``values`` of equal length; None is not finite."""

    unit: str
    steps: list[int] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)


@dataclass
class RunFacts:
    """Everything that a page shows of one run; ``left_out`` has one sentence per loss.

    ``recipe`` is the recipe as plain data in today's terms, or as it was written where today's
    version cannot read it. ``evaluations`` are (iteration, record) in the order of the file.
    """

    path: Path
    label: str
    recipe: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    series: dict[str, Series] = field(default_factory=dict)
    evaluations: list[tuple[int, EvaluationRecord]] = field(default_factory=list)
    grids: list[tuple[int, Path]] = field(default_factory=list)
    neighbours: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def recipe_name(self) -> str:
        return str(self.dataset.get("recipe", "unknown recipe"))

    @property
    def title(self) -> str:
        """The recipe and the seed, where the run's folder tells."""
        seed = self.dataset.get("seed")
        if seed is None:
            return self.recipe_name
        return f"{name_beside_seed(self.recipe_name, seed)}, seed {seed}"

    @property
    def iteration(self) -> int:
        """The last iteration of which the run has a record."""
        steps = [series.steps[-1] for series in self.series.values() if series.steps]
        return max([*steps, *(step for step, _ in self.evaluations), 0])

    @property
    def total(self) -> int | None:
        training = self.recipe.get("training")
        total = training.get("total_iterations") if isinstance(training, dict) else None
        return total if isinstance(total, int) else None

    @property
    def is_finished(self) -> bool:
        return self.total is not None and self.iteration >= self.total

    @property
    def state(self) -> str:
        """In words: finished, being trained, or stopped; as far as its folder tells."""
        of = f" of {self.total:,}" if self.total is not None else ""
        at = f"{self.iteration:,}{of} iterations"
        if self.is_finished:
            return f"finished ({at})"
        found = holder(self.path)
        if found is not None and _alive(found):
            return f"being trained ({at})"
        return f"stopped ({at})"


def read_run(path: Path, label: str) -> RunFacts | str:
    """A run's facts, or the sentence that says why a folder is not shown."""
    if not path.exists():
        return f"{label}: there is no such folder."
    if not is_run(path):
        return (
            f"{label}: not a run of contragan (it lacks {RECIPE} or {DATASET}), so it is not shown."
        )
    run = RunFacts(path, label)
    run.recipe = _recipe(path / RECIPE, run.left_out)
    run.dataset = _json(path / DATASET, run.left_out)
    run.environment = _json(path / ENVIRONMENT, run.left_out)
    _read_metrics(run)
    run.grids = _grids(path / "samples", run.left_out)
    run.neighbours = sorted(path.glob("*neighbours*.png"))
    return run


def _alive(found: Mapping[str, Any]) -> bool:
    """Whether the process that trains is there; on another machine nobody can tell."""
    process = found["process"]
    if found["host"] != socket.gethostname() or not isinstance(process, int) or os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _recipe(path: Path, left_out: list[str]) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        return parse_recipe(text, path.name).model_dump(mode="json")
    except OSError as error:
        left_out.append(f"{path.name} cannot be read ({error.strerror}): no settings are shown.")
        return {}
    except UserError:
        pass
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError:
        raw = None
    if not isinstance(raw, dict):
        left_out.append(f"{path.name} is damaged: no settings are shown.")
        return {}
    left_out.append(f"This version cannot read {path.name}: its settings are shown as written.")
    return raw


def _json(path: Path, left_out: list[str]) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = None
    if isinstance(facts, dict):
        return facts
    left_out.append(f"{path.name} is {'damaged' if path.exists() else 'missing'}: left out.")
    return {}


def _read_metrics(run: RunFacts) -> None:
    path = run.path / METRICS
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        run.left_out.append(f"{METRICS} is missing: there are no curves and no scores yet.")
        return
    problems: Counter[tuple[str, str]] = Counter()
    for line in filter(None, lines):
        if (problem := _take(run, line)) is not None:
            problems[problem] += 1
    for problem, count in problems.items():
        run.left_out.append(f"{METRICS}: {counted(count, *problem)}, left out.")
    if not run.evaluations:
        run.left_out.append("The run was never evaluated: there are no scores and no classes.")
    for _, record in run.evaluations:
        for name in list(run.series):
            if (new := todays_name(name, record.protocol["extractor"]["extractor"])) != name:
                run.series.setdefault(new, run.series.pop(name))


DAMAGED = ("half-written or damaged line", "half-written or damaged lines")


def _take(run: RunFacts, line: str) -> tuple[str, str] | None:
    """Enter one line into the run's facts, or say what is wrong with it: of one line, of many."""
    try:
        record = json.loads(line)
        step, name = record["step"], record["name"]
    except (ValueError, KeyError, TypeError):
        return DAMAGED
    if not isinstance(step, int) or not isinstance(name, str):
        return DAMAGED
    if name == "evaluation":
        try:
            found = EvaluationRecord.from_dict(record)
        except (TypeError, ValueError):
            what = "that this version cannot read"
            return f"evaluation {what}", f"evaluations {what}"
        run.evaluations.append((step, found))
        return None
    numbers = _numbers(name, record)
    if not numbers:
        what = f"'{name}' without a number, which no curve can show"
        return f"record {what}", f"records {what}"
    infinite = None
    for full, value in numbers:
        series = run.series.setdefault(full, Series(str(record.get("unit", ""))))
        series.steps.append(step)
        series.values.append(value if math.isfinite(value) else None)
        if not math.isfinite(value):
            infinite = _infinite(full)
    return infinite


def _infinite(name: str) -> tuple[str, str]:
    return f"value of '{name}' that is not finite", f"values of '{name}' that are not finite"


def _numbers(name: str, record: dict[str, Any]) -> list[tuple[str, float]]:
    """A record's value; or its numbers by group and part, such as singular values by layer."""
    value = record.get("value")
    if _is_number(value):
        return [(name, float(value))]
    groups = {key: part for key, part in record.items() if isinstance(part, dict)}
    return [
        (f"{name}/{group}/{part}", float(number))
        for group, parts in groups.items()
        for part, number in parts.items()
        if _is_number(number)
    ]


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _grids(folder: Path, left_out: list[str]) -> list[tuple[int, Path]]:
    found = []
    for path in sorted(folder.glob("step-*.png")):
        if match := re.fullmatch(r"step-(\d+)\.png", path.name):
            found.append((int(match[1]), path))
    if not found:
        left_out.append("samples/ holds no grids: no pictures are shown.")
    return sorted(found)
