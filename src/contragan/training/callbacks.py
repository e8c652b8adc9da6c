"""Functions of a user's own that a training calls as it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from contragan.evaluation.record import EvaluationRecord


@dataclass(frozen=True)
class Iteration:
    """Where a training is: after ``iteration`` of ``total_iterations``.

    ``terms`` are the mean loss terms of the last log, by name (``d/adversarial``); empty before it.
    """

    iteration: int
    total_iterations: int
    terms: Mapping[str, float]


OnIteration = Callable[[Iteration], object]
OnEvaluation = Callable[[int, EvaluationRecord], object]


@dataclass
class Callbacks:
    """What to call after each iteration and after each evaluation.

    One that returns False asks the training to save and stop. Reading values from the device would
    make every iteration wait, so terms are those of the last log.
    """

    on_iteration: OnIteration | None = None
    on_evaluation: OnEvaluation | None = None
    ask_to_stop: bool = False

    def iterated(self, iteration: int, total: int, terms: Mapping[str, float]) -> None:
        """After an iteration."""
        if self.on_iteration is not None:
            answer = self.on_iteration(Iteration(iteration, total, dict(terms)))
            self.ask_to_stop = self.ask_to_stop or answer is False

    def evaluated(self, iteration: int, record: EvaluationRecord | None) -> None:
        """After an evaluation."""
        if self.on_evaluation is not None and record is not None:
            answer = self.on_evaluation(iteration, record)
            self.ask_to_stop = self.ask_to_stop or answer is False
