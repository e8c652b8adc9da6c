"""Tells early how long a training will take, and what makes one of days shorter."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import Timer

from contragan.recipes.schema import TrainingConfig
from contragan.training.display import Display
from contragan.training.forecast import SAY_BY, Estimate, Forecast
from contragan.training.seconds import Seconds
from contragan.training.shorter import TOO_LONG, Way, advice

WaysOut = Callable[[int, float], list[Way]]
"""Ways to a shorter run, from how many iterations are done and the seconds that are left."""


class Outlook:
    """What is said of a training's time; a timer speaks where the first iteration takes too long.

    Call :meth:`start` before the first iteration, :meth:`after` after each, :meth:`close` at the
    end. ``spent`` are seconds that the first minute has lost already, to pictures and an
    evaluation; a part of it is always left. Where the first iteration ``compiles``, its time says
    nothing of the others: then nothing is said before ten of those are timed.
    """

    def __init__(
        self,
        config: TrainingConfig,
        display: Display,
        begin: int,
        ways_out: WaysOut,
        spent: float = 0.0,
        compiles: bool = False,
    ) -> None:
        self._config = config
        self._display = display
        self._begin = begin
        self._ways_out = ways_out
        self._say_by = math.inf if compiles else max(SAY_BY - spent, 0.4 * SAY_BY)
        self._forecast = Forecast(config.total_iterations, begin, self._say_by)
        self._started = 0.0
        self._timer: Timer | None = None
        self._warned = False

    def start(self) -> None:
        """The first iteration begins."""
        if math.isinf(self._say_by):
            return
        self._started = time.monotonic()
        self._timer = Timer(self._say_by, self._still_in_the_first)
        self._timer.daemon = True
        self._timer.start()

    def after(self, iteration: int, seconds: Seconds) -> None:
        """Say what is known after an iteration, if it is news, and tell the display."""
        self.close()
        every, total = self._config.evaluate_every_iterations, self._config.total_iterations
        # The last iteration is evaluated whether it is due or not.
        evaluations = 0 if every is None else -(-total // every) - iteration // every
        self._display.evaluations = evaluations * (seconds.evaluation or 0)
        estimate = self._forecast.after(iteration, seconds.total, evaluations, seconds.evaluation)
        if estimate is not None:
            self._say(estimate, iteration)

    def close(self) -> None:
        """Nothing more is said by the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _still_in_the_first(self) -> None:
        elapsed = time.monotonic() - self._started
        self._say(self._forecast.during_the_first(elapsed), self._begin)

    def _say(self, estimate: Estimate, iteration: int) -> None:
        self._display.line(estimate.line)
        if estimate.seconds > TOO_LONG and not self._warned:
            self._warned = True
            for line in advice(self._ways_out(iteration, estimate.seconds)):
                self._display.line(line)
