"""How long a training will take, said within its first minute."""

from __future__ import annotations

from dataclasses import dataclass

from contragan.core.words import duration

WELL_ENOUGH = (5.0, 10)
"""Seconds and iterations after which the speed is known well enough: a forecast is made."""

SAY_BY = 50.0
"""Seconds after which something is said whatever is known: the next iteration may end too late."""


@dataclass(frozen=True)
class Estimate:
    """A line about the whole training, and the seconds that it speaks of."""

    line: str
    seconds: float


class Forecast:
    """Measures iterations, and evaluations where some are still to be made.

    The first iteration takes longer than the others, so that it counts only where it takes most of
    a minute. An estimate is made once, and again when more is known: of further iterations after
    the first, and as soon as an evaluation was timed.
    """

    def __init__(self, total: int, begin: int, say_by: float = SAY_BY) -> None:
        self._total = total
        self._begin = begin
        self._say_by = say_by
        self._first: float | None = None
        self._known = 0

    def after(
        self, iteration: int, seconds: float, evaluations: int, evaluation: float | None
    ) -> Estimate | None:
        """What to say after so many iterations and seconds spent in them, if anything.

        ``evaluations`` are still to be made; ``evaluation`` is the seconds that the last took, None
        before there was one.
        """
        if self._first is None:
            self._first = seconds
        measured, timed = iteration - self._begin - 1, seconds - self._first
        each = timed / measured if measured else seconds
        known = 0
        if measured >= WELL_ENOUGH[1] and timed >= WELL_ENOUGH[0]:
            known = 2
        elif seconds + each > self._say_by:
            known = 2 if measured else 1
        if known == 2 and (evaluation is not None or not evaluations):
            known = 3
        if known <= self._known or iteration >= self._total:
            return None
        self._known = known
        left = (self._total - iteration) * each + evaluations * (evaluation or 0)
        whole = left + seconds if self._begin == 0 else left
        how = speed(each) if measured else f"{speed(each)}, by the first, the slowest"
        if evaluations and evaluation is not None:
            how += f"; with evaluations, {evaluations} more of {duration(evaluation)}"
        elif evaluations:
            how += f"; {evaluations} evaluation{'s' * (evaluations > 1)} not counted"
        return Estimate(f"about {duration(whole)} {self._of_what} on this machine ({how})", whole)

    def during_the_first(self, seconds: float) -> Estimate:
        """What to say where the first iteration has taken so long and has not ended."""
        least = (self._total - self._begin) * seconds
        return Estimate(
            f"more than {duration(least)} {self._of_what} on this machine (the first of "
            f"{self._total - self._begin:,} iterations has taken {duration(seconds)} so far)",
            least,
        )

    @property
    def _of_what(self) -> str:
        return "left" if self._begin else "in all"


def speed(seconds_each: float) -> str:
    """The speed of something that takes so long each time."""
    if seconds_each > 1:
        return f"{seconds_each:.1f} seconds per iteration"
    return f"{1 / seconds_each:.1f} iterations per second"
