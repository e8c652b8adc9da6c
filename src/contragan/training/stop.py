"""Reasons to stop early, noticed between two iterations."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from contragan.distributed import largest


class Stop:
    """Tells whether to stop, and why; a second signal ends the process at once.

    ``abandoned`` says whether whoever read the output has gone, as ``| head`` does when it has
    seen enough. Other programs end then, and so does training, but it saves as for a signal.
    """

    def __init__(
        self, max_minutes: float | None = None, abandoned: Callable[[], bool] = lambda: False
    ) -> None:
        self.signal: int | None = None
        self._abandoned = abandoned
        self._deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes
        self._expired = False

    def agree(self, device: torch.device) -> None:
        """Notice what any process has noticed: all must stop after the same iteration."""
        self._expire()
        noticed = int(self._expired) if self.signal is None else 1 + self.signal
        found = largest(noticed, device)
        self._expired = found > 0
        self.signal = found - 1 if found > 1 else None

    def _expire(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._expired = True

    @property
    def reason(self) -> str | None:
        """Why to stop now, or None."""
        if self.signal is not None:
            return f"stopped by {signal.Signals(self.signal).name}"
        if self._abandoned():
            return "stopped because its output was closed"
        self._expire()
        return "stopped by the time limit" if self._expired else None

    @property
    def exit_code(self) -> int:
        """0, or 128 plus the signal's number as shells have it."""
        number = signal.SIGPIPE if self.signal is None and self._abandoned() else self.signal
        return 0 if number is None else 128 + number

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note SIGINT and SIGTERM within this context instead of dying of them."""

        def note(number: int, frame: FrameType | None) -> None:
            if self.signal is not None:
                raise KeyboardInterrupt
            self.signal = number

        previous = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
