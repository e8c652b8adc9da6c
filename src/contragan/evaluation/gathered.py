"""A run's evaluations, gathered from its log by protocol and by iteration."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contragan.core.errors import UserError
from contragan.evaluation.record import EvaluationRecord
from contragan.runs.log import read_metrics
from contragan.runs.run import open_run

RANKED_BY = "frechet_distance"
"""The score that says which evaluation of a run is the best; lower is better."""

MODEL_FACTS = ("ema",)
"""Entries of a record's context that change a score as the protocol does."""

_NO_PROTOCOL = {"protocol", "metrics", "num_images", "features", "resize", "precision"}
"""Parts of a stated protocol that change no score, or that stand in it a second time: the number
of images as a count, and what concerns features as the extractor's."""

_COUNTS_OF_ALL = ("generated", "reference")
"""Counts that every metric depends on; the others are one metric's."""


def facts(record: EvaluationRecord) -> dict[str, Any]:
    """What decides whether two records may be compared: protocol, counts, moving average or not."""
    kept = {key: value for key, value in record.protocol.items() if key not in _NO_PROTOCOL}
    model = {key: record.context[key] for key in MODEL_FACTS if key in record.context}
    return {**kept, "counts": record.counts, **model}


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, whose keys are paths."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{prefix}{key}"
        found |= flat(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return found


def _key(record: EvaluationRecord) -> str:
    counts = {name: record.counts.get(name) for name in _COUNTS_OF_ALL}
    return json.dumps(flat({**facts(record), "counts": counts}), sort_keys=True)


@dataclass(frozen=True)
class Evaluations:
    """A run's evaluations under one protocol, by iteration; ``others`` have other protocols."""

    path: Path
    by_iteration: Mapping[int, EvaluationRecord]
    others: int = 0

    @property
    def last(self) -> int:
        return max(self.by_iteration)

    @property
    def best(self) -> int | None:
        """The iteration with the lowest Fréchet distance; None where it was never computed."""
        scores = {
            iteration: record.values[RANKED_BY]
            for iteration, record in self.by_iteration.items()
            if RANKED_BY in record.values
        }
        return min(scores, key=scores.__getitem__) if scores else None


def gathered(paths: Sequence[Path]) -> list[Evaluations]:
    """The evaluations of each run under one protocol.

    Evaluations of one checkpoint under one protocol become one, so that a later one of a single
    metric hides nothing; of two values for one metric the later counts. The protocol is the latest
    that all runs were evaluated under; where there is none, each run's own that most others share.

    Raises:
        UserError: a run that was never evaluated, is named twice, or whose log is damaged.
    """
    places = [path.resolve() for path in paths]
    for place in places:
        if places.count(place) > 1:
            raise UserError(f"{place} was named twice: name every run once")
    runs = [_by_protocol(path) for path in paths]
    shared_by = Counter(key for run in runs for key in run)
    latest = list(runs[0])
    found = []
    for path, run in zip(paths, runs, strict=True):
        most = max(shared_by[key] for key in run)
        keys = [key for key in run if shared_by[key] == most]
        # All runs must take the same one of several that they share: the first run decides.
        key = max(keys, key=latest.index) if most == len(runs) else keys[-1]
        others = sum(len(records) for other, records in run.items() if other != key)
        found.append(Evaluations(path, run[key], others))
    return found


def _by_protocol(path: Path) -> dict[str, dict[int, EvaluationRecord]]:
    """The records of a run by protocol, the latest used last, and by iteration."""
    log = open_run(path).path / "metrics.jsonl"
    lines = read_metrics(log) if log.exists() else []
    found: dict[str, dict[int, EvaluationRecord]] = {}
    for line in lines:
        if line["name"] != "evaluation":
            continue
        try:
            record = EvaluationRecord.from_dict(line)
            key = _key(record)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{log} is damaged: the evaluation of iteration {line['step']} is not whole. "
                "Take that line out"
            ) from error
        group = found[key] = found.pop(key, {})
        earlier = group.get(line["step"])
        group[line["step"]] = record if earlier is None else _merged(earlier, record)
    if not found:
        raise UserError(f"{path} was never evaluated: run `contragan evaluate {path}` first")
    return found


def _merged(earlier: EvaluationRecord, later: EvaluationRecord) -> EvaluationRecord:
    return replace(
        later,
        values=earlier.values | later.values,
        counts=earlier.counts | later.counts,
        details=earlier.details | later.details,
        class_fidelity=later.class_fidelity or earlier.class_fidelity,
        warnings=tuple(dict.fromkeys(earlier.warnings + later.warnings)),
        wall_seconds=earlier.wall_seconds + later.wall_seconds,
    )
