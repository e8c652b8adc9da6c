"""What a running study shows: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from contragan.core.console import note
from contragan.core.words import duration
from contragan.studies.pace import seconds_left

if TYPE_CHECKING:
    from contragan.studies.runner import Progress

DRAW_EVERY = 1.0
"""Seconds between two pictures of the live table."""

SAY_EVERY = 60.0
"""Seconds between two lines of progress where there is no terminal."""

ORDER = ("running", "elsewhere", "failed", "waiting", "done")
SHOWN = {"running": 64, "elsewhere": 8, "failed": 16, "waiting": 4, "done": 4}
"""How many runs of a kind have lines of their own."""

SAID = {"elsewhere": "running elsewhere"}


class View:
    """Shows the runs of a study by kind, and about how long is left."""

    def __init__(self, console: Console, title: str) -> None:
        self.console, self.title = console, title
        self._live: Live | None = None
        self._runs: Sequence[Progress] = ()
        self._slots = 1
        self._next = 0.0

    @contextmanager
    def open(self, runs: Sequence[Progress], slots: int) -> Iterator[None]:
        """Show these runs, of which ``slots`` are made at a time, within this context."""
        self._runs, self._slots = runs, slots
        self._next = 0.0 if self.console.is_terminal else time.monotonic() + SAY_EVERY
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, auto_refresh=False) as self._live:
            yield
            self._live.update(self.table(time.monotonic()), refresh=True)
        self._live = None

    def line(self, text: str, *, loud: bool = False) -> None:
        """A line on what has happened; on a terminal only ``loud`` ones stay beside the table."""
        if self._live is None or loud:
            note(self.console, text)

    def show(self, now: float) -> None:
        """Show how far the runs are; cheap enough to call at every look."""
        if now < self._next:
            return
        if self._live is not None:
            self._next = now + DRAW_EVERY
            self._live.update(self.table(now), refresh=True)
        else:
            self._next = now + SAY_EVERY
            running = [
                f"{run.name} {run.iteration:,}/{run.recorded.total_iterations:,}"
                for run in self._runs
                if run.kind == "running"
            ]
            self.line("; ".join([self.summary(now), *running]))

    def summary(self, now: float) -> str:
        """How many runs there are of each kind, and about how long is left."""
        counts = [
            f"{count} {SAID.get(kind, kind)}"
            for kind in reversed(ORDER)
            if (count := sum(run.kind == kind for run in self._runs))
        ]
        left = seconds_left(self._runs, self._slots, now)
        if left is not None:
            counts.append(f"about {duration(left)} left")
        return ", ".join(counts)

    def table(self, now: float) -> Table:
        """All runs, the busy ones first; of many that wait or are done a few."""
        table = Table(title=escape(self.title), title_justify="left", expand=True)
        table.add_column("run", overflow="ellipsis", no_wrap=True, ratio=1)
        table.add_column("", no_wrap=True)
        table.add_column("iteration", justify="right", no_wrap=True)
        table.add_column("time left", justify="right", no_wrap=True)
        for kind in ORDER:
            runs = [run for run in self._runs if run.kind == kind]
            shown = runs[-SHOWN[kind] :] if kind == "done" else runs[: SHOWN[kind]]
            for run in shown:
                table.add_row(*self._row(run, now))
            if len(runs) > len(shown):
                table.add_row(f"[dim]and {len(runs) - len(shown)} more {SAID.get(kind, kind)}[/]")
        table.caption, table.caption_justify = self.summary(now), "left"
        return table

    def _row(self, run: Progress, now: float) -> list[str]:
        total = f"{run.recorded.total_iterations:,}"
        if run.kind == "failed":
            why = f"{escape(run.recorded.label)}\n[dim]{escape(run.detail)}[/]"
            return [why, "[red]failed[/]", "", ""]
        left = run.seconds_left(now) if run.kind == "running" else None
        colours = {"running": "[bold]", "done": "[green]"}
        return [
            escape(run.recorded.label),
            f"{colours.get(run.kind, '[dim]')}{SAID.get(run.kind, run.kind)}[/]",
            total if run.kind == "done" else f"{run.iteration:,}/{total}" if run.iteration else "",
            "" if left is None else duration(left),
        ]
