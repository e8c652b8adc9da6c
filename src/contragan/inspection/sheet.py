"""The contact sheet: some images of each class, and below those that a check points at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFont

from contragan.core.fonts import font_for, legible
from contragan.core.pictures import BACKGROUND, FAINT, GAP, Picture, Text
from contragan.inspection.findings import Check, Finding
from contragan.inspection.found import Found
from contragan.inspection.images import show

SIDE = 72
PER_CLASS = 12
MOST_CLASSES = 100
"""Classes that are shown; the smallest come first where there are more."""

MOST_POINTED_AT = 24
"""Images that are shown of one finding."""

_LINE, _TITLE = 13, 16


def draw_sheet(found: Found, check: Check, progress: Callable[[int, int], None]) -> Picture:
    """A picture with one row for each class, evenly chosen of its images, then the findings'."""
    rows = class_rows(found, {one.split("\t")[0] for one in _failed(check)})
    pointed = [one for one in check.findings if one.pictures]
    total = sum(len(chosen) for _, chosen in rows)
    total += sum(len(one.pictures[:MOST_POINTED_AT]) for one in pointed)
    sheet = _Sheet(found, total, progress)
    shown, classes = len(rows), len(found.class_names)
    more = f", the {shown} smallest of {classes:,} classes" if shown < classes else ""
    sheet.title(f"{found.path.name or found.path}: up to {PER_CLASS} images per class{more}")
    margin = max((sheet.width_of(name) for name, _ in rows), default=0) + 16
    for name, chosen in rows:
        sheet.row(name, chosen, margin)
    for one in pointed:
        sheet.finding(one)
    return sheet.picture()


def _failed(check: Check) -> list[str]:
    return [
        str(item["file"])
        for one in check.findings
        if one.name == "unreadable"
        for item in one.items
    ]


def class_rows(found: Found, unreadable: set[str]) -> list[tuple[str, list[int]]]:
    """Classes, with how many readable images they have, and rows of some, spread over the class."""
    good = np.array([found.name(row) not in unreadable for row in range(len(found))], np.bool_)
    counts = np.bincount(found.labels[good], minlength=len(found.class_names))
    labels = [int(k) for k in np.flatnonzero(counts)]
    if len(labels) > MOST_CLASSES:
        labels = sorted(sorted(labels, key=lambda k: int(counts[k]))[:MOST_CLASSES])
    rows = []
    for label in labels:
        members = np.flatnonzero(good & (found.labels == label))
        places = np.linspace(0, len(members) - 1, min(PER_CLASS, len(members))).round().astype(int)
        name = f"{legible(found.class_names[label], label)} ({len(members):,})"
        rows.append((name, members[places].tolist()))
    return rows


class _Sheet:
    """Places images and lines below each other."""

    def __init__(self, found: Found, total: int, progress: Callable[[int, int], None]) -> None:
        self.found, self.total, self.progress = found, total, progress
        self.done = 0
        self.y = 10
        self.right = 0
        self.images: list[tuple[int, int, Image.Image]] = []
        self.texts: list[Text] = []

    def width_of(self, text: str, size: int = _LINE) -> int:
        font = font_for(text, size) or ImageFont.load_default(size=size)
        return round(font.getlength(text))

    def title(self, text: str) -> None:
        self.texts.append(Text(10, self.y, text, _TITLE, "la"))
        self.right = max(self.right, 20 + self.width_of(text, _TITLE))
        self.y += _TITLE + 12

    def row(self, name: str, rows: list[int], margin: int) -> None:
        self.texts.append(Text(10, self.y + SIDE / 2, name, _LINE))
        for place, row in enumerate(rows):
            self._image(row, margin + 10 + place * (SIDE + GAP))
        self.y += SIDE + GAP

    def finding(self, one: Finding) -> None:
        """The images of a finding in rows, with what is written below each."""
        self.y += 18
        text = one.text.removesuffix(".")
        if one.name == "suspected_labels":
            text += " (given → looks like)"
        if len(one.pictures) > MOST_POINTED_AT:
            text += f"; the first {MOST_POINTED_AT} of the images"
        self.title(text)
        wide = 2 * SIDE
        across = 6
        pictures = one.pictures[:MOST_POINTED_AT]
        for start in range(0, len(pictures), across):
            lines = 1
            for place, (row, caption) in enumerate(pictures[start : start + across]):
                x = 10 + place * (wide + 12)
                self._image(row, x + SIDE // 2)
                for number, line in enumerate(caption.split("\n")):
                    y = self.y + SIDE + 2 + number * _LINE
                    below = self._cut(line, wide)
                    self.texts.append(Text(x + wide / 2, y, below, _LINE - 2, "ma", color=FAINT))
                    lines = max(lines, number + 1)
                self.right = max(self.right, x + wide + 10)
            self.y += SIDE + lines * _LINE + 12

    def picture(self) -> Picture:
        """All of it."""
        pixels = Image.new("RGB", (self.right + 10, self.y + 10), BACKGROUND)
        for x, y, image in self.images:
            pixels.paste(image, (x, y))
        return Picture(pixels, tuple(self.texts))

    def _image(self, row: int, x: int) -> None:
        self.images.append((x, self.y, Image.fromarray(show(self.found, row, SIDE))))
        self.right = max(self.right, x + SIDE + GAP)
        self.done += 1
        self.progress(self.done, self.total)

    def _cut(self, text: str, width: int) -> str:
        """The end of a text that is too wide: of a path it is the file's name."""
        if self.width_of(text, _LINE - 2) <= width:
            return text
        while text and self.width_of(f"...{text}", _LINE - 2) > width:
            text = text[1:]
        return f"...{text}"
