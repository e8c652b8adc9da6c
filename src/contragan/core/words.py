"""Words for messages."""

from __future__ import annotations

from collections.abc import Sequence


def shortened(names: Sequence[str], most: int = 8) -> str:
    """The names in a sentence; of many the first few, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
