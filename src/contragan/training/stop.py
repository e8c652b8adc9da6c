"""Reasons to stop early, noticed between two iterations."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from contragan.core import parent

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
]
"""Signals that ask to save and stop; SIGUSR1 is what many SLURM scripts send before the limit."""

PARENT_GONE = 2
"""What is noticed where the process that this one must not outlive has gone: as after SIGHUP."""


class Stop:
    """Says whether to stop, and why; a second signal ends the process at once.

    ``abandoned`` says whether the reader of the output has gone, as ``| head`` does when it has
    seen enough. Training then stops and saves, as after a signal.
    """

    def __init__(
        self, max_minutes: float | None = None, abandoned: Callable[[], bool] = lambda: False
    ) -> None:
        self.signal: int | None = None
        self._agreed: int | None = None
        self._abandoned = abandoned
        self._deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes

    def noticed(self) -> int:
        """What this process has noticed: 0 nothing, 1 the time limit, else 1 plus a signal."""
        if parent.is_gone():
            return PARENT_GONE
        if self.signal is not None:
            return 1 + self.signal
        if self._abandoned():
            return 1 + signal.SIGPIPE
        return int(self._deadline is not None and time.monotonic() >= self._deadline)

    @property
    def reason(self) -> str | None:
        """Why to stop now, or None."""
        return _said(self.noticed())

    def agree(self, found: int) -> str | None:
        """Why all processes stop now, or None: ``found`` is the largest that any has noticed.

        What this process notices meanwhile waits for the next time.
        """
        self._agreed = found
        return _said(found)

    @property
    def exit_code(self) -> int:
        """0, or 128 plus the signal's number as shells have it."""
        code = self.noticed() if self._agreed is None else self._agreed
        return 127 + code if code > 1 else 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note signals within this context instead of being ended by them."""

        def note(number: int, frame: FrameType | None) -> None:
            # The end of the parent is told by a signal too, and nobody is left to be impatient.
            if self.signal is not None and not parent.is_gone():
                raise KeyboardInterrupt
            self.signal = number

        previous = {number: signal.signal(number, note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _said(noticed: int) -> str | None:
    if noticed == 0:
        return None
    if noticed == 1:
        return "stopped by the time limit"
    if noticed == PARENT_GONE:
        return "stopped by what started it"
    if noticed == 1 + signal.SIGPIPE:
        return "stopped because its output was closed"
    return f"stopped by {signal.Signals(noticed - 1).name}"
