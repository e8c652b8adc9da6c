"""How much of a run's time the signals of stability take, from its own clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

MOST = 0.02
"""Share of a run's time that the signals should take at most."""

JUDGED_AFTER = 4
"""Measurements after which the share is known; the first, the slowest, does not count."""


@dataclass
class Cost:
    """Seconds of each measurement, and when it ended.

    A run that is asked after its fourth measurement answers for the time since the first.
    """

    clock: Callable[[], float] = time.perf_counter
    _seconds: list[float] = field(default_factory=list)
    _ends: list[float] = field(default_factory=list)

    @contextmanager
    def measuring(self, device: torch.device) -> Iterator[None]:
        """Time what is done within this context."""
        if len(self._seconds) >= JUDGED_AFTER:
            yield
            return
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # iterations that are still queued are not its time
        start = self.clock()
        yield
        self._ends.append(self.clock())
        self._seconds.append(self._ends[-1] - start)

    def share(self) -> float | None:
        """Share of the time from the first measurement's end on; None until enough are made."""
        if len(self._seconds) < JUDGED_AFTER:
            return None
        return sum(self._seconds[1:]) / (self._ends[-1] - self._ends[0])

    def enough(self, every: int) -> int:
        """Iterations between two measurements that keep them below :data:`MOST`.

        ``every`` is how many there are now. Rounded up to two digits.
        """
        share = self.share()
        assert share is not None
        # Of what is not measuring, since that grows with the interval and the rest does not.
        least = every * share / (1 - share) * (1 - MOST) / MOST
        digit: int = 10 ** max(0, math.floor(math.log10(least)) - 1)
        return math.ceil(round(least / digit, 6)) * digit
