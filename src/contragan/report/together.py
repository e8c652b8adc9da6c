"""What several runs have in common, said once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from contragan.core.words import counted, joined, shortened

T = TypeVar("T", bound=Hashable)

MOST_NAMED = 3
"""Runs that a sentence names; of more it says how many there are."""


def alike(items: Iterable[tuple[str, T]]) -> list[tuple[tuple[str, ...], T]]:
    """Each distinct thing once, in order, with the labels of all that have it.

    >>> alike([("a", 1), ("b", 2), ("c", 1)])
    [(('a', 'c'), 1), (('b',), 2)]
    """
    found: dict[T, list[str]] = {}
    for label, item in items:
        found.setdefault(item, []).append(label)
    return [(tuple(labels), item) for item, labels in found.items()]


def named(labels: Sequence[str], total: int) -> str:
    """Who they are, of ``total`` runs.

    >>> named(["a", "b"], 3)
    'a and b'
    >>> named(["a", "b", "c"], 3)
    'all 3 runs'
    """
    if len(labels) == total > 1:
        return "both runs" if total == 2 else f"all {total} runs"
    return joined(labels) if len(labels) <= MOST_NAMED else shortened(labels, MOST_NAMED)


def said_once(lines: Iterable[tuple[str, str]], total: int) -> list[str]:
    """What is said of runs (label, sentence), each sentence once.

    >>> said_once([("a", "Late."), ("b", "Late."), ("b", "Odd.")], total=3)
    ['2 of 3 runs: Late. (a and b)', 'b: Odd.']
    """
    found = []
    for labels, line in alike(lines):
        if len(labels) == 1:
            found.append(f"{labels[0]}: {line}")
        elif len(labels) == total:
            found.append(f"{named(labels, total).capitalize()}: {line}")
        else:
            count = f"{len(labels)} of {counted(total, 'run')}"
            found.append(f"{count}: {line} ({named(labels, total)})")
    return found
