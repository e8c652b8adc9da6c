"""What a run's folder says of how it went: its evaluations, its speed, its size, its machine."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from contragan.runs.log import RECORD, SCORE, InTraining

DISTANCE = "frechet_distance"

NETWORKS = ("generator", "discriminator")

_BUFFERS = (".running_mean", ".running_var", ".num_batches_tracked", ".u", ".v")
"""Ends of the names of what a checkpoint holds and no optimiser changes."""

_SPEED = "iterations_per_second"

_NAME = re.compile(rb'"name": "([^"]*)"')

_HEAD = 200
"""Bytes at a line's beginning that hold its name: records of many classes are long."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of a run at an iteration, by metrics.jsonl's names."""

    iteration: int
    scores: dict[str, float]


@dataclass(frozen=True)
class Reading:
    """What is read of one run.

    ``evaluations`` are training's own, in order; ``record`` is the whole record of the last of
    them. ``seconds_each`` is the median time per iteration. ``parameters`` are G's and D's.
    """

    evaluations: tuple[Evaluation, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)
    seconds_each: float | None = None
    parameters: tuple[int, int] | None = None
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> Evaluation | None:
        """The evaluation of the lowest Fréchet distance; of the last where none has one."""
        known = [e for e in self.evaluations if math.isfinite(e.scores.get(DISTANCE, math.nan))]
        if known:
            return min(known, key=lambda evaluation: evaluation.scores[DISTANCE])
        return None if any(DISTANCE in e.scores for e in self.evaluations) else self.last

    @property
    def last(self) -> Evaluation | None:
        return self.evaluations[-1] if self.evaluations else None


def read_run(folder: Path) -> Reading:
    """Read a run's folder, and nothing but small files and the heads of large ones.

    What is not there, or is damaged, is left out.
    """
    lines: list[bytes] = []
    with suppress(OSError):
        lines = (folder / "metrics.jsonl").read_bytes().splitlines()
    scores, speeds, record = _log(lines)
    environment = _json(folder / "environment.json")
    return Reading(
        tuple(Evaluation(step, found) for step, found in sorted(scores.items())),
        record,
        1 / median(speeds) if speeds else None,
        _parameters(folder / "checkpoints"),
        environment,
    )


def _log(lines: list[bytes]) -> tuple[dict[int, dict[str, float]], list[float], dict[str, Any]]:
    """Scores by step, speeds, and the last record of a training's evaluation.

    What a user evaluated (see :class:`contragan.runs.log.InTraining`) is left out.
    """
    scores: dict[int, dict[str, float]] = {}
    speeds: list[float] = []
    whole = b""
    in_training = InTraining()
    for line in lines:
        found = _NAME.search(line[:_HEAD])
        name = found[1].decode(errors="replace") if found else ""
        own = in_training(name)
        if own and name == RECORD:
            whole = line
        elif (own or name == _SPEED) and (entry := _entry(line)) is not None:
            step, value = entry
            if own:
                scores.setdefault(step, {})[name.removeprefix(SCORE)] = value
            elif value > 0:
                speeds.append(value)
    record = {}
    with suppress(ValueError):
        record = json.loads(whole or b"{}")
    return scores, speeds, record if isinstance(record, dict) else {}


def _entry(line: bytes) -> tuple[int, float] | None:
    with suppress(ValueError, KeyError, TypeError):  # cut short by a kill
        entry = json.loads(line)
        return int(entry["step"]), float(entry["value"])
    return None


def _json(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _parameters(checkpoints: Path) -> tuple[int, int] | None:
    """Parameters of G and of D, counted in the heads of the last checkpoint's files."""
    with suppress(OSError, ValueError, KeyError, TypeError, struct.error):
        last = checkpoints / (checkpoints / "last").read_text(encoding="utf-8").strip()
        first, second = (_count(_head(last / f"{name}.safetensors")) for name in NETWORKS)
        return first, second
    return None


def _head(path: Path) -> dict[str, Any]:
    """The head of a safetensors file: 8 bytes that hold its length, then JSON."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > path.stat().st_size:
            raise ValueError("not a safetensors file")
        head: dict[str, Any] = json.loads(file.read(length))
    return head


def _count(head: dict[str, Any]) -> int:
    shapes = (
        tensor["shape"]
        for name, tensor in head.items()
        if name != "__metadata__" and not name.endswith(_BUFFERS)
    )
    return sum(math.prod(shape) for shape in shapes)


def distinct_lines(lines: Iterable[str]) -> list[str]:
    """Each line once, with how often it stood there where they differ."""
    counts: dict[str, int] = {}
    for line in lines:
        counts[line] = counts.get(line, 0) + 1
    if len(counts) <= 1:
        return list(counts)
    return [f"{line} ({count} runs)" for line, count in counts.items()]
