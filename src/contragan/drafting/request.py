"""What ``contragan init`` is asked for, checked before anything heavy is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from contragan.core.errors import UserError
from contragan.core.resolution import Resolution, read_resolution

SHORTEST = 0.05
"""Hours below which there is nothing to plan: reading the images takes as long."""

LONGEST = 24 * 365

USUAL = (128, 64, 32, 16)
"""Resolutions to choose from where none is asked for."""


@dataclass(frozen=True)
class DraftRequest:
    """The images' ``path``; ``resolution`` None: the largest usual one that fits, of the shape that
    most images share."""

    path: Path
    hours: float = 8.0
    resolution: Resolution | None = None

    def check(self) -> None:
        """Raises UserError for hours that nothing can be drafted for, or where there is nothing."""
        if not math.isfinite(self.hours) or not SHORTEST <= self.hours <= LONGEST:
            raise UserError(
                f"--hours {self.hours:g}: give at least {SHORTEST:g}, better 0.5 for a first look "
                "or a night (8), and at most a year"
            )
        if not self.path.exists() and not str(self.path).startswith("hf:"):
            raise UserError(f"there is nothing at {self.path}: give the folder of your images")


def asked_size(text: str | None) -> Resolution | None:
    """What a user typed as ``--resolution``.

    Raises:
        UserError: it is neither a number nor WIDTHxHEIGHT.
    """
    try:
        return None if text is None else read_resolution(text)
    except ValueError as error:
        raise UserError(f"--resolution {text}: {error}") from error
