"""Reasons to stop early, noticed between two iterations."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from contragan.core import parent
from contragan.core.signals import CLOSED_OUTPUT, interrupt, interrupting

TIME_LIMIT = 124
"""Exit code of a training that its time limit stopped, as that of the command ``timeout``."""

PARENT_GONE = 2
"""What is noticed where the process that this one must not outlive has gone: as after SIGHUP."""


ASKED = 1000
"""What is noticed where a callback has asked to stop: beyond every signal's number."""


class Stop:
    """Whether to stop, why, and with which exit code; a second signal ends the process at once.

    ``abandoned`` says whether the reader of the output has gone, as ``| head`` does when it has
    seen enough. Training then stops and saves, as after a signal. ``asked`` says whether a callback
    has asked to stop.
    """

    def __init__(
        self,
        max_minutes: float | None = None,
        abandoned: Callable[[], bool] = lambda: False,
        *,
        asked: Callable[[], bool] = lambda: False,
    ) -> None:
        self.signal: int | None = None
        self._agreed: int | None = None
        self._abandoned = abandoned
        self._asked = asked
        self._deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes

    def noticed(self) -> int:
        """What this process has noticed: 0 nothing, 1 the time limit, ``ASKED`` a callback, else 1
        plus a signal."""
        if parent.is_gone():
            return PARENT_GONE
        if self.signal is not None:
            return 1 + self.signal
        if self._abandoned():
            return 1 + CLOSED_OUTPUT
        if self._asked():
            return ASKED
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
        """Of a training that stopped early: 124 for the time limit, or 128 plus the signal."""
        code = self.noticed() if self._agreed is None else self._agreed
        if code == ASKED:
            return 0
        if code == 1:
            return TIME_LIMIT
        return 127 + code if code else 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note signals within this context instead of being ended by them.

        Only a program's main thread may; in another one signals do what they did.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, frame: FrameType | None) -> None:
            # The end of the parent is told by a signal too, and nobody is left to be impatient.
            if self.signal is not None and not parent.is_gone():
                interrupt(number, frame)
            self.signal = number

        previous = {number: signal.signal(number, note) for number in interrupting()}
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
    if noticed == ASKED:
        return "stopped by a callback"
    if noticed == PARENT_GONE:
        return "stopped by what started it"
    if noticed == 1 + CLOSED_OUTPUT:
        return "stopped because its output was closed"
    return f"stopped by {signal.Signals(noticed - 1).name}"
