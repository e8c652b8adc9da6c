"""The confusion matrix as lines of text: rows and columns named, 80 columns wide at most."""

from __future__ import annotations

from collections.abc import Sequence

from contragan.core.words import folded
from contragan.evaluation.record import EvaluationRecord

MOST_CLASSES = 20
"""Matrices of more classes are not shown."""

WIDTH = 80

NARROWEST, WIDEST = 3, 12
"""Characters of a column."""

LONGEST_NAME = 24
"""Characters of a class's name before its row; a longer one goes on in the next line."""


def confusion_lines(record: EvaluationRecord) -> list[str]:
    """What the probe sees in the images asked for as each class, in percent of them.

    Empty where there is no matrix, for generators that take no labels, and for more classes than
    can be read.
    """
    fidelity = record.class_fidelity
    if fidelity is None or fidelity.get("conditional") is False or "confusion" not in fidelity:
        return []
    names, confusion = list(fidelity["class_accuracy"]), fidelity["confusion"]
    if len(names) > MOST_CLASSES:
        return []
    counts = {"images": [sum(row) for row in confusion]}
    if (real := record.details.get("real_images_per_class")) is not None:
        counts["real"] = [real.get(name, 0) for name in names]
    longest = min(LONGEST_NAME, max(len("asked for"), *(len(name) + 3 for name in names)))
    front = [longest, *(max(len(head), *map(_digits, row)) for head, row in counts.items())]
    per_block, width = _columns(len(names), WIDTH - sum(front) - len(front))
    numbered, heads = column_heads(names, width)
    labels = [f"{index + 1} {name}" if numbered else name for index, name in enumerate(names)]
    lines = ["what a linear probe sees in the images asked for as each class, in percent:"]
    for start in range(0, len(names), per_block):
        block = slice(start, start + per_block)
        lines += ["", _row("asked for", [*counts, *heads[block]], front, width)]
        for index, row in enumerate(confusion):
            first, *more = folded(labels[index], longest)
            cells = [f"{values[index]:,}" for values in counts.values()]
            cells += [f"{100 * cell / sum(row):.0f}" if cell else "." for cell in row[block]]
            lines += [_row(first, cells, front, width), *(f"  {part}" for part in more)]
    return lines


def _digits(count: int) -> int:
    return len(f"{count:,}")


def _columns(classes: int, room: int) -> tuple[int, int]:
    """How many columns to show beside each other, and how wide."""
    blocks = -(-classes * (NARROWEST + 1) // room)
    per_block = -(-classes // blocks)
    return per_block, max(NARROWEST, min(WIDEST, room // per_block - 1))


def _row(label: str, cells: Sequence[str], front: Sequence[int], width: int) -> str:
    widths = [*front[1:], *[width] * len(cells)]
    shown = (f"{cell:>{size}}" for cell, size in zip(cells, widths, strict=False))
    return " ".join([f"{label:<{front[0]}}", *shown])


def column_heads(names: Sequence[str], width: int) -> tuple[bool, list[str]]:
    """Heads of the columns: names cut to ``width``, or numbers where cut names would be alike.

    Returns whether they are numbers, which rows then have as well.

    >>> column_heads(["airplane", "automobile"], 4)
    (False, ['airp', 'auto'])
    >>> column_heads(["class_1", "class_2"], 4)
    (True, ['1', '2'])
    """
    cut = [name[:width].strip() for name in names]
    if len(set(cut)) == len(cut):
        return False, cut
    return True, [str(index + 1) for index in range(len(names))]
