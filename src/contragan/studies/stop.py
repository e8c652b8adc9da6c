"""How a study is stopped: by a signal that its runs then hear of."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from contragan.core.signals import CLOSED_OUTPUT, interrupt, interrupting


class RunnerStop:
    """Notes Ctrl-C, SIGTERM and SIGUSR1; a second one does not wait for the runs to save.

    They save all the same: their input has ended. ``abandoned`` says whether the reader of the
    output has gone, which stops a study too.
    """

    def __init__(self, abandoned: Callable[[], bool] = lambda: False) -> None:
        self.signal: int | None = None
        self._noticed = threading.Event()
        self._abandoned = abandoned

    @property
    def reason(self) -> str:
        """Why the study stops."""
        if self.signal is None:
            return "stopped"
        if self.signal == CLOSED_OUTPUT:
            return "stopped because its output was closed"
        return f"stopped by {signal.Signals(self.signal).name}"

    @property
    def exit_code(self) -> int:
        """0, or 128 plus the signal's number as shells have it."""
        return 0 if self.signal is None else 128 + self.signal

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until a signal comes; whether to stop."""
        if self.signal is None and self._abandoned():
            self.signal = CLOSED_OUTPUT
            return True
        return self._noticed.wait(seconds)

    def pause(self, seconds: float) -> None:
        """Wait so long after the first signal."""
        threading.Event().wait(seconds)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note signals within this context instead of being ended by them."""

        def note(number: int, frame: FrameType | None) -> None:
            if self.signal is not None:
                interrupt(number, frame)
            self.signal = number
            self._noticed.set()

        previous = {number: signal.signal(number, note) for number in interrupting()}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
