"""Rows of images as one panel of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contragan.analysis.figures import name_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Cells = NDArray[np.uint8]
"""Images in rows and columns: (R, C, channels, H, W)."""

CELL = 0.44
"""Inches of an image's side in a figure."""

_FINE = 160
"""Pixels that an image's side has at least, so that a figure shows its own pixels as squares."""

_GAP = 0.06
"""Share of a cell that is left white."""


def montage(images: Cells) -> NDArray[np.uint8]:
    """One picture (height, width, 3) of rows of images, each cell a square of equal size."""
    rows, columns, channels, side = images.shape[:4]
    scale = max(1, -(-_FINE // side))
    gap = max(1, round(_GAP * side * scale))
    cell = side * scale + gap
    page = np.full((rows * cell, columns * cell, 3), 255, dtype=np.uint8)
    for (row, column), _ in np.ndenumerate(images[:, :, 0, 0, 0]):
        pixels = images[row, column].transpose(1, 2, 0).repeat(scale, 0).repeat(scale, 1)
        top, left = row * cell + gap // 2, column * cell + gap // 2
        page[top : top + side * scale, left : left + side * scale] = pixels
    assert channels in {1, 3}
    return page


def show_montage(panel: Axes, images: Cells, row_names: Sequence[str]) -> None:
    """Draw rows of images with their names to the left; cells are 1 x 1, the first at (0, 0)."""
    rows, columns = images.shape[:2]
    panel.imshow(
        montage(images), extent=(-0.5, columns - 0.5, rows - 0.5, -0.5), interpolation="auto"
    )
    panel.set_xticks([])
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    if any(row_names):
        name_ticks(panel.yaxis, row_names, fontsize=9)
    else:
        panel.set_yticks([])


def label_width(names: Sequence[str]) -> float:
    """Inches that names beside rows take, roughly."""
    return 0.08 * max(map(len, names), default=0)
