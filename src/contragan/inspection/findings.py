"""What a check of a data set found, and how much it matters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["serious", "look", "note"]

SERIOUS = "serious"


@dataclass(frozen=True)
class Finding:
    """One thing found: ``name`` for programs, ``text`` and ``advice`` for people, each a sentence.

    There are ``count`` of it. ``examples`` are lines that show them, ``items`` the same as JSON
    values, and ``pictures`` rows of the :class:`~contragan.inspection.found.Found` set, each with
    the lines to write below.
    """

    name: str
    level: Level
    text: str
    advice: str = ""
    count: int = 0
    examples: tuple[str, ...] = ()
    items: tuple[Any, ...] = ()
    pictures: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class ClassCount:
    """A class with its images that can be read; ``known`` is the share the class probe knows."""

    name: str
    train: int
    test: int
    known: float | None


@dataclass(frozen=True)
class Check:
    """A data set as it was found: ``summary`` are lines about its images, ``facts`` JSON values.

    ``notes`` say what was left out before any image was opened, and how the test images were found.
    """

    path: str
    layout: str
    held_out: bool
    classes: tuple[ClassCount, ...]
    summary: tuple[tuple[str, str], ...]
    facts: dict[str, Any]
    findings: tuple[Finding, ...]
    seconds: float
    notes: tuple[str, ...] = field(default=())

    @property
    def serious(self) -> tuple[Finding, ...]:
        """What should be mended before a training."""
        return tuple(one for one in self.findings if one.level == SERIOUS)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "path": self.path,
            "layout": self.layout,
            "serious": len(self.serious),
            "classes": [vars(one) for one in self.classes],
            **self.facts,
            "findings": [
                {
                    "name": one.name,
                    "level": one.level,
                    "text": one.text,
                    "advice": one.advice,
                    "count": one.count,
                    "items": list(one.items),
                }
                for one in self.findings
            ],
            "notes": list(self.notes),
            "seconds": round(self.seconds, 1),
        }
