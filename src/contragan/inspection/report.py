"""A check in words: at most 80 columns, the worst first."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator

from contragan.core.words import counted
from contragan.inspection.findings import Check, ClassCount, Finding

WIDTH = 80
MOST_CLASSES = 20
MOST_EXAMPLES = 3
_BAR = 24

_TITLES = {
    "serious": "Mend before training",
    "look": "Worth a look",
    "note": "Good to know",
}


def lines(check: Check) -> Iterator[str]:
    """The lines of a check, for a terminal."""
    yield from _filled(f"{check.path}: {check.layout}", "", "  ")
    train, test = (sum(getattr(one, name) for one in check.classes) for name in ("train", "test"))
    classes = counted(len(check.classes), "class", "classes")
    held = "held out for testing" if check.held_out else "test"
    yield f"{train + test:,} images in {classes}: {train:,} for training, {test:,} {held}"
    yield ""
    if len(check.classes) > 1:
        yield from _table(check)
        yield ""
    width = max(len(title) for title, _ in check.summary) + 2
    for title, text in check.summary:
        yield from _filled(text, f"{title:<{width}}", " " * width)
    for level, title in _TITLES.items():
        chosen = [one for one in check.findings if one.level == level]
        notes = check.notes if level == "note" else ()
        if chosen or notes:
            yield ""
            yield f"{title} ({len(chosen) + len(notes)})"
            for one in chosen:
                yield from _finding(one)
            for text in notes:
                yield from _filled(f"{text}.", "  - ", "    ")
    yield ""
    yield _verdict(check)


def _verdict(check: Check) -> str:
    looks = sum(one.level == "look" for one in check.findings)
    serious = len(check.serious)
    mend = f"{_things(serious)} to mend" if serious else "Nothing to mend"
    return f"{mend}, {_things(looks)} worth a look." if looks else f"{mend}."


def _things(count: int) -> str:
    return "1 thing" if count == 1 else f"{count} things"


def _finding(one: Finding) -> Iterator[str]:
    yield from _filled(one.text, "  - ", "    ")
    for example in one.examples[:MOST_EXAMPLES]:
        yield "      " + _cut(example, WIDTH - 6)
    if len(one.examples) > MOST_EXAMPLES:
        yield f"      and {len(one.examples) - MOST_EXAMPLES:,} more (--json FILE lists all)"
    if one.advice:
        yield from _filled(one.advice, "    ", "    ")


def _table(check: Check) -> Iterator[str]:
    rows = sorted(check.classes, key=lambda one: (-(one.train + one.test), -(one.known or 0)))
    left_out = 0
    if len(rows) > MOST_CLASSES:
        half = MOST_CLASSES // 2
        left_out = len(rows) - 2 * half
        rows = [*rows[:half], *rows[-half:]]
    known = any(one.known is not None for one in rows)
    width = min(max(map(_columns, ["class", *(one.name for one in rows)])), 28)
    most = max(one.train + one.test for one in rows)
    head = f"  {'class':<{width}}  {'train':>7}  {'test':>6}" + ("  known" if known else "")
    yield head
    for place, one in enumerate(rows):
        if left_out and place == len(rows) // 2:
            yield f"  ... {left_out:,} classes between these ..."
        yield _row(one, width, most, known)
    if known:
        yield from _filled(
            "known: how many of its images a simple classifier recognises that was fitted to other "
            "images (EfficientNet-Lite0's features).",
            "  ",
            "  ",
        )


def _row(one: ClassCount, width: int, most: int, known: bool) -> str:
    name = _cut(one.name, width)
    padded = name + " " * (width - _columns(name))
    bar = "█" * max(1, round(_BAR * (one.train + one.test) / max(most, 1)))
    share = "" if not known else f"  {'-' if one.known is None else f'{one.known:.0%}':>5}"
    return f"  {padded}  {one.train:>7,}  {one.test:>6,}{share}  {bar}"


def _filled(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )


def _cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns, its middle left out."""
    if _columns(text) <= width:
        return text
    left, right = text[: (width - 3) // 2], text[-(width - 3 - (width - 3) // 2) :]
    while _columns(left) + _columns(right) + 3 > width:
        left, right = left[:-1], right[1:]
    return f"{left}...{right}"


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)
