"""Rows of images as one panel of a figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contragan.analysis.figures import as_written, name_ticks
from contragan.core.fonts import font_for, legible
from contragan.core.words import folded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Cells = NDArray[np.uint8]
"""Images in rows and columns: (R, C, channels, H, W)."""

CELL = 0.44
"""Inches of an image's side in a figure."""

NAME_SIZE, TITLE_SIZE = 9.0, 10.0
"""Points of the letters of names beside rows, and of titles."""

_FINE = 160
"""Pixels that an image's side has at least, so that a figure shows its own pixels as squares."""

_SMALL = 32
"""Images up to this side keep sharp pixels; larger ones are smoothed where they are made smaller.
"""

_GAP = 0.06
"""Share of a cell that is left white."""


def montage(images: Cells) -> NDArray[np.uint8]:
    """One picture (height, width, 3) of rows of images, each cell a square of equal size.

    An image whose sides differ lies in the middle of its cell, on white.
    """
    rows, columns, channels, height, width = images.shape
    side = max(height, width)
    scale = max(1, -(-_FINE // side))
    gap = max(1, round(_GAP * side * scale))
    cell = side * scale + gap
    page = np.full((rows * cell, columns * cell, 3), 255, dtype=np.uint8)
    for (row, column), _ in np.ndenumerate(images[:, :, 0, 0, 0]):
        pixels = images[row, column].transpose(1, 2, 0).repeat(scale, 0).repeat(scale, 1)
        top = row * cell + gap // 2 + (side - height) * scale // 2
        left = column * cell + gap // 2 + (side - width) * scale // 2
        page[top : top + height * scale, left : left + width * scale] = pixels
    assert channels in {1, 3}
    return page


def add_montage(
    place: Figure | SubFigure,
    size: tuple[float, float],
    corner: tuple[float, float],
    images: Cells,
    row_names: Sequence[str],
    title: str = "",
) -> Axes:
    """Draw rows of images, their names to the left and a title above; cells are 1 x 1, from (0, 0).

    ``size`` is that of ``place``, ``corner`` where the first image's upper left corner lies, right
    and down from the upper left corner of ``place``; all in inches.
    """
    rows, columns = images.shape[:2]
    (width, height), (left, top) = size, corner
    panel: Axes = place.add_axes(
        (
            left / width,
            1 - (top + CELL * rows) / height,
            CELL * columns / width,
            CELL * rows / height,
        )
    )
    panel.imshow(
        montage(images),
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
        interpolation="nearest" if max(images.shape[-2:]) <= _SMALL else "auto",
        aspect="auto",
    )
    panel.set_xticks([])
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    if any(row_names):
        name_ticks(panel.yaxis, row_names, fontsize=NAME_SIZE)
    else:
        panel.set_yticks([])
    if title:
        as_written(panel.set_title(title, fontsize=TITLE_SIZE, loc="left"))
    return panel


def text_width(texts: Iterable[str], size: float) -> float:
    """Inches that the longest of some texts takes in letters of ``size`` points; 0 for none."""
    widths = [font.getlength(text) for text in texts if (font := font_for(text, 48)) is not None]
    return max(widths, default=0.0) / 48 * size / 72


def label_width(names: Sequence[str]) -> float:
    """Inches that names beside rows take."""
    return text_width(map(legible, names, range(len(names))), NAME_SIZE) + 0.12


def title_lines(title: str, width: float) -> str:
    """A title in lines that fit in a width of some inches, "iteration" on a line of its own."""
    name, comma, iteration = title.partition(", iteration")
    letters = max(16, int(width / text_width(["n"], TITLE_SIZE)))
    lines = [line.strip() for line in folded(name, letters)]
    return "\n".join([*lines, f"{comma[2:]}{iteration}"] if iteration else lines)


def title_height(title: str) -> float:
    """Inches that a title's lines take above images."""
    return (title.count("\n") + 1) * TITLE_SIZE / 72 * 1.25 + 0.16
