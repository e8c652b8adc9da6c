"""How long a training will take, said as soon as it is known well enough."""

from __future__ import annotations

WELL_ENOUGH = (5.0, 10)
"""Seconds and iterations after which the speed is known well enough: a forecast is made."""

AT_LEAST = (30.0, 1)
"""Seconds and iterations after which a forecast is made even of a few slow iterations."""


class Forecast:
    """Measures iterations, all but the first, and evaluations.

    ``evaluations`` is how many are still to be made. As soon as one was timed, a second
    line counts them.
    """

    def __init__(self, total: int, begin: int) -> None:
        self._total = total
        self._begin = begin
        self._first: float | None = None
        self._said = self._counted = False

    def line(
        self, iteration: int, seconds: float, evaluations: int, evaluation: float | None
    ) -> str | None:
        """What to say after so many iterations and seconds spent in them, if anything.

        ``evaluation`` is the seconds that the last evaluation took; None before there was one.
        """
        if self._first is None:
            self._first = seconds
            return None
        measured, timed = iteration - self._begin - 1, seconds - self._first
        known = any(timed >= s and measured >= n for s, n in (WELL_ENOUGH, AT_LEAST))
        is_news = not self._said or (not self._counted and evaluation is not None)
        if not known or not is_news or iteration >= self._total:
            return None
        self._said = True
        self._counted = evaluation is not None or not evaluations
        each = timed / measured
        left = (self._total - iteration) * each + evaluations * (evaluation or 0)
        whole = left + seconds if self._begin == 0 else left
        text = f"about {duration(whole)} {'left' if self._begin else 'in all'} on this machine"
        text += f" ({speed(each)}"
        if evaluations and evaluation is not None:
            text += f"; with evaluations, {evaluations} more of {duration(evaluation)}"
        elif evaluations:
            text += f"; {evaluations} evaluations not counted"
        return text + ")"


def duration(seconds: float) -> str:
    """A time as people say it."""
    if round(seconds) < 60:
        return f"{max(1, round(seconds))} s"
    units = ("min", "h", "d")
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if minutes < 60:
        return f"{minutes} min"
    large, small, unit = (*divmod(minutes, 60), 1) if minutes < 24 * 60 else (*divmod(hours, 24), 2)
    return f"{large} {units[unit]}" + (f" {small} {units[unit - 1]}" if small else "")


def speed(seconds_each: float) -> str:
    """The speed of something that takes so long each time."""
    if seconds_each > 1:
        return f"{seconds_each:.1f} seconds per iteration"
    return f"{1 / seconds_each:.1f} iterations per second"
