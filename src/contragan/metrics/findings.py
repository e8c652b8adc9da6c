"""A fault that an evaluation found in a generator's images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

MOST_LISTED = 10
"""Classes named in a sentence; of more, the number of the others is given."""

Kind = Literal["collapsed", "permuted", "merged", "lost", "confused", "missing", "narrow"]


class Finding(NamedTuple):
    """A kind of fault and the sentence that names classes and numbers."""

    kind: Kind
    text: str


def in_short(parts: Iterable[str], separator: str = ", ") -> str:
    """The first parts, and how many more there are."""
    every = list(parts)
    more = len(every) - MOST_LISTED
    return separator.join(every[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
