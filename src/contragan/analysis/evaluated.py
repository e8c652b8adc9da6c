"""One evaluation of each run, for figures about classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from contragan.analysis.figures import run_titles
from contragan.core.errors import UserError
from contragan.evaluation.gathered import gathered
from contragan.evaluation.record import EvaluationRecord
from contragan.runs.run import open_run


@dataclass(frozen=True)
class Evaluated:
    """A run's folder, its title, and one evaluation with its iteration."""

    path: Path
    title: str
    iteration: int
    record: EvaluationRecord


def read_evaluated(
    folders: Sequence[Path],
    which: Literal["best", "last"],
    *,
    has: Callable[[Evaluated], None],
) -> list[Evaluated]:
    """The best or last evaluation of each run, under a protocol that they share if there is one.

    ``has`` raises UserError where an evaluation lacks what a figure needs. Another iteration of the
    run is taken then, the latest that has it.

    Raises:
        UserError: no run, one never evaluated, or none of its evaluations has what is needed.
    """
    titles = run_titles([open_run(folder) for folder in folders])
    chosen = []
    for run, title in zip(gathered(folders), titles, strict=True):
        asked = run.last if which == "last" or run.best is None else run.best
        order = [asked, *sorted(set(run.by_iteration) - {asked}, reverse=True)]
        refusal: UserError | None = None
        for iteration in order:
            found = Evaluated(run.path, title, iteration, run.by_iteration[iteration])
            try:
                has(found)
            except UserError as error:
                refusal = refusal or error
                continue
            chosen.append(found)
            break
        else:
            assert refusal is not None
            raise refusal
    return chosen
