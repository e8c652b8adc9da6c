"""How long the rest of a study will take, from how fast its runs have been."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contragan.studies.runner import Progress


def seconds_left(runs: Sequence[Progress], slots: int, now: float) -> float | None:
    """Seconds until all is done, with ``slots`` runs at a time; None before any speed is known.

    Each run counts at its own speed where that is known, else at that of its cell's other seeds,
    else at the mean of all. Runs of this session say more than those that were there before: the
    machine may have had other work, or been another.
    """
    rest = [run for run in runs if run.kind in {"running", "waiting"}]
    left = []
    for run in rest:
        each = run.seconds_each(now) if run.kind == "running" else None
        each = _likely(run, runs, now) if each is None else each
        if each is None:
            return None
        left.append(each * (run.recorded.total_iterations - run.iteration))
    if not left:
        return None
    # One long run keeps the study waiting where the others have ended.
    return max(sum(left) / slots, *left)


def _likely(run: Progress, runs: Sequence[Progress], now: float) -> float | None:
    """The likely speed of a run that has none of its own yet."""
    others = [other for other in runs if other is not run]
    same = [other for other in others if _cell(other) == _cell(run)]
    for known in (same, others):
        for made_here in (True, False):
            chosen = (other for other in known if _is_made_here(other) is made_here)
            if (mean := _mean(other.seconds_each(now) for other in chosen)) is not None:
                return mean
    return None


def _is_made_here(run: Progress) -> bool:
    """Whether this session started it."""
    return run.kind == "running" or run.handle is not None


def _cell(run: Progress) -> str:
    return run.name.rpartition("-seed")[0]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
