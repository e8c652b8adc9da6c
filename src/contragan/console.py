"""The one console that people read."""

from __future__ import annotations

import sys

from rich.console import Console


def make_console() -> Console:
    """A console on standard output; without a terminal its lines are as long as they are."""
    return Console(file=sys.stdout)


def note(console: Console, text: str) -> None:
    """Print a line as it is: no wrapping, no markup, no colours of its own."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)
