"""The record of a run: ``metrics.jsonl`` and TensorBoard events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from contragan.core.errors import UserError
from contragan.core.files import read_text, write_text, writing_failed


class MetricsLog:
    """Appends one JSON record per line; the same scalars go to TensorBoard.

    What a killed run wrote after ``iteration``, its last checkpoint, is taken out, and training's
    own evaluation of that iteration too unless it is ``evaluated`` for good, so that a resumed
    file equals an uninterrupted one.
    """

    def __init__(self, folder: Path, iteration: int = 0, *, evaluated: bool = False) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.path = folder / "metrics.jsonl"
        if self.path.exists():
            kept = _kept(read_metrics(self.path), iteration, evaluated)
            write_text(self.path, "".join(json.dumps(record) + "\n" for record in kept))
        self._file = self.path.open("ab")
        self._tensorboard = SummaryWriter(
            str(folder / "tensorboard"), purge_step=iteration + 1 if iteration else None
        )

    def scalar(self, step: int, name: str, value: float, unit: str) -> None:
        """Record one measured value."""
        self.record({"step": step, "name": name, "value": value, "unit": unit})

    def record(self, record: dict[str, Any]) -> None:
        """Record one line, with ``step`` and ``name`` among its keys; a ``value`` is drawn too."""
        try:
            self._file.write((json.dumps(record) + "\n").encode())
            self._file.flush()
        except OSError as error:
            raise writing_failed(self.path, error) from error
        if isinstance(record.get("value"), int | float):
            self._tensorboard.add_scalar(record["name"], record["value"], record["step"])

    def close(self) -> None:
        self._file.close()
        self._tensorboard.close()


SCORE, RECORD = "evaluation/", "evaluation"
"""How the names of an evaluation's scores begin, and the name of its whole record."""


class InTraining:
    """Tells the lines of training's own evaluations from a user's; it is asked of every line.

    Training writes its scores one by one and then the whole record. `contragan evaluate` writes the
    whole record only, under a protocol of the user's.
    """

    def __init__(self) -> None:
        self._after_scores = False

    def __call__(self, name: str) -> bool:
        """Whether the next line, of this name, is of an evaluation in training."""
        is_score = name.startswith(SCORE)
        own = is_score or (name == RECORD and self._after_scores)
        self._after_scores = is_score
        return own


def _kept(
    records: list[dict[str, Any]], iteration: int, evaluated: bool
) -> Iterator[dict[str, Any]]:
    for record, own in with_origin(records):
        repeated = record["step"] == iteration and own and not evaluated
        if record["step"] <= iteration and not repeated:
            yield record


def with_origin(records: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each record, and whether it is of an evaluation in training (:class:`InTraining`)."""
    in_training = InTraining()
    for record in records:
        yield record, in_training(record["name"])


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All records of a ``metrics.jsonl``; a line cut short by a kill is left out.

    Raises:
        UserError: the file cannot be read, or a whole line is not a record.
    """
    records = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if not _is_record(record):
            raise UserError(
                f"{path} is damaged: line {number} is not a record with a step and a name. "
                "Take that line out"
            )
        records.append(record)
    return records


def _is_record(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return isinstance(value.get("step"), int) and isinstance(value.get("name"), str)
