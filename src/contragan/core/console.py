"""The one console that people read."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID

from contragan.core.words import duration


class _Output(Console):
    """Falls silent, rather than ending the program, where nobody reads its output any more."""

    abandoned = False

    def on_broken_pipe(self) -> None:
        self.quiet = self.abandoned = True
        silence_output()


def silence_output() -> None:
    """Send what is still to be written to nowhere, so that Python's exit does not stumble on it."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def make_console() -> Console:
    """A console on standard output; without a terminal its lines are as long as they are."""
    return _Output(file=sys.stdout)


def is_abandoned(console: Console) -> bool:
    """Whether whoever read the console's output has gone."""
    return isinstance(console, _Output) and console.abandoned


def note(console: Console, text: str) -> None:
    """Print a line as it is: no wrapping, no markup, no colours of its own."""
    readable = text.encode(errors="backslashreplace").decode()  # a file's name may be any bytes
    console.print(readable, highlight=False, markup=False, soft_wrap=True)


FIRST_LINE, NEXT_LINES = 15.0, 60.0
"""Seconds after which work that goes to a file instead of a terminal says how far it is."""


class ProgressLines:
    """Prints how far a stage is: first after some seconds, so that quick work says nothing."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._due = time.monotonic() + FIRST_LINE
        self._begun: dict[str, tuple[float, int]] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        begun, before = self._begun.setdefault(stage, (now, done))
        if now >= self._due and done < total:
            self._due = now + NEXT_LINES
            left = ""
            if done > before:
                left = f", about {duration((now - begun) * (total - done) / (done - before))} left"
            note(self._console, f"{stage}: {done:,} of {total:,}{left}")


@contextmanager
def progress_bar(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Yield what shows a stage's progress: called with its name, how much is done, and of how much.

    Without a terminal it prints a line now and then, see :class:`ProgressLines`.
    """
    if console.quiet:
        yield lambda stage, done, total: None
        return
    if not console.is_terminal:
        yield ProgressLines(console)
        return
    tasks: dict[str, TaskID] = {}
    with Progress(console=console, transient=True) as bar:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(escape(stage), total=total)
            bar.update(tasks[stage], completed=done)

        yield show
