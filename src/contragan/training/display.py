"""What a training run shows: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from rich.columns import Columns
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from contragan.core.words import duration

SHORTEST_SILENCE, LONGEST_SILENCE = 60.0, 600.0
"""Seconds without a line, where there is no terminal, after which one says how far training is: the
first at the beginning, twice as long each time."""


class Display:
    """Shows iteration, speed, time left, loss terms, and the last evaluation."""

    def __init__(self, console: Console, total_iterations: int) -> None:
        self.console = console
        self.total = total_iterations
        self.iteration = 0
        self.terms: dict[str, float] = {}
        self.scores: dict[str, float] = {}
        self.scored_at: int | None = None
        self._live: Live | None = None
        self._bar = Progress(
            TextColumn("{task.fields[status]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>5.1f}%"),
            console=console,
        )
        self._task = self._bar.add_task("train", total=total_iterations, status="")
        self._mark = (time.monotonic(), 0)
        self._last_draw = 0.0
        self.speed = 0.0
        self.evaluations = 0.0
        """Seconds that evaluations still to be made will take, as far as that is known."""
        self._spoke, self._silence = time.monotonic(), SHORTEST_SILENCE
        self._said: set[str] = set()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Keep the live panel up within this context."""
        if not (self.console.is_terminal or shows_widgets(self.console)):
            yield
            return
        with Live(console=self.console, refresh_per_second=4, transient=False) as self._live:
            self._draw()
            yield
            self._draw()
            self._live.refresh()  # a notebook's panel is not drawn again when it closes

    def step(self, iteration: int) -> None:
        """Note a finished iteration; cheap enough to call at each one."""
        self.iteration = iteration
        now = time.monotonic()
        if now - self._last_draw < 0.25:
            return
        self._last_draw = now
        self._measure(now)
        self._draw()
        if self._live is None and now - self._spoke >= self._silence:
            self._silence = min(2 * self._silence, LONGEST_SILENCE)
            self._report(self._stand(self.speed))

    def _measure(self, now: float) -> None:
        then, start = self._mark
        if now - then > 1:
            recent = (self.iteration - start) / (now - then)
            self.speed = recent if not self.speed else 0.7 * self.speed + 0.3 * recent
            self._mark = (now, self.iteration)

    def start(self, iteration: int) -> None:
        """Begin after so many iterations."""
        self.iteration = iteration
        self.pause()

    def pause(self) -> None:
        """Leave the time since the last iteration out of the speed."""
        self._mark = (time.monotonic(), self.iteration)

    def log(self, iteration: int, terms: dict[str, float], speed: float) -> None:
        """Show the mean loss terms since the last log."""
        self.iteration, self.terms = iteration, terms
        if self._live is None:
            named = "  ".join(f"{name} {value:.3f}" for name, value in terms.items())
            self._report(f"{self._stand(speed)}  {named}")

    def evaluated(self, scores: dict[str, float], warnings: tuple[str, ...]) -> None:
        """Show the results of an evaluation; a warning is said once."""
        self.scores, self.scored_at = scores, self.iteration
        for warning in warnings:
            if warning not in self._said:
                self._said.add(warning)
                self.line(f"warning: {warning}")
        if self._live is None:
            named = "  ".join(f"{name} {value:.4g}" for name, value in scores.items())
            self._report(f"{self.iteration}/{self.total}  evaluated  {named}")

    def line(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _report(self, text: str) -> None:
        """A line that says how far training is."""
        self.line(text)
        self._spoke = time.monotonic()

    def _stand(self, speed: float) -> str:
        return f"{self.iteration}/{self.total}  {_speed(speed)}  {self._left(speed)}"

    def _left(self, speed: float) -> str:
        """The time to the end at ``speed`` iterations per second, evaluations included."""
        if self.iteration >= self.total:
            return "0 s left"
        if not speed:
            return "time left not known yet"
        return f"{duration((self.total - self.iteration) / speed + self.evaluations)} left"

    def _draw(self) -> None:
        if self._live is None:
            return
        status = (
            f"iteration {self.iteration}/{self.total}   {_speed(self.speed)}   "
            f"{self._left(self.speed)}"
        )
        self._bar.update(self._task, completed=self.iteration, status=status)
        panel = Table.grid(padding=(0, 3))
        panel.add_row(self._bar)
        values = {name: f"{value:.3f}" for name, value in self.terms.items()}
        values |= {name: f"{value:.4g}" for name, value in self.scores.items()}
        shown = [f"[dim]{escape(name)}[/dim] {value}" for name, value in values.items()]
        panel.add_row(Columns(shown, padding=(0, 3)))  # as many lines as they take
        self._live.update(panel)


def shows_widgets(console: Console) -> bool:
    """Whether the console is a notebook that can redraw a panel: rich does it with ipywidgets."""
    return console.is_jupyter and find_spec("ipywidgets") is not None


def _speed(speed: float) -> str:
    """Iterations per second, or seconds per iteration where those are longer than one."""
    if not speed:
        return "? it/s"
    return f"{1 / speed:.1f} s/it" if speed < 1 else f"{speed:.1f} it/s"
