"""What the loop needs of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contragan.evaluation.evaluator import Evaluator, shown_scores
from contragan.evaluation.record import EvaluationRecord


@dataclass(frozen=True)
class Score:
    """An evaluation: the value that ranks checkpoints (lower is better), and what to show.

    ``lines`` are its records for the run's ``metrics.jsonl``, ``warnings`` sentences for people.
    """

    rank_by: float | None
    shown: dict[str, float]
    lines: list[dict[str, Any]]
    warnings: tuple[str, ...]
    record: EvaluationRecord | None = None


def score(evaluator: Evaluator, iteration: int) -> Score:
    """Evaluate, each process its share, and return what the loop needs of the record."""
    record = evaluator(iteration)
    titles = shown_scores()
    shown = {titles[name]: value for name, value in record.values.items() if name in titles}
    # No warnings at iteration 0: every untrained generator fails these checks.
    warnings = record.warnings if iteration else ()
    rank_by = record.values.get("frechet_distance")
    return Score(rank_by, shown, record.lines(iteration), warnings, record)
