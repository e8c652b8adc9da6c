"""Signals that ask a command to end, as the user or a job scheduler sends them."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

CLOSED_OUTPUT = 13
"""SIGPIPE, a name that Windows lacks: whoever read the output has gone."""


class Interrupted(BaseException):
    """A signal ended the work as Ctrl-C does; ``number`` says which.

    Not a KeyboardInterrupt, which typer turns into exit code 130 whatever the signal was.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def interrupting() -> tuple[signal.Signals, ...]:
    """SIGINT, SIGTERM and SIGUSR1, which job schedulers send; Windows has no SIGUSR1."""
    names = ("SIGINT", "SIGTERM", "SIGUSR1")
    return tuple(signal.Signals[name] for name in names if hasattr(signal, name))


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """A signal handler that ends the work, so that half-written files are taken away."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Interrupted(number)
