"""The shape that most images of a set share, and the rectangles that fit it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from contragan.core.resolution import Resolution, from_sides, height_width
from contragan.models.base import LARGEST, STARTS, doublings
from contragan.models.residual import LAYOUTS

FAR_FROM_SQUARE = 0.78
"""Shorter side over longer side from which down a rectangle is worth while."""

ALIKE, MOST = 0.1, 2 / 3
"""How far an image may be from the shape, as a share, and the share of images that must not be."""


def shared_shape(widths: NDArray[np.int64], heights: NDArray[np.int64]) -> float | None:
    """Width over height that most images (M,) share, None where there is none or it is square."""
    ratios = widths / heights
    middle = float(np.median(ratios))
    alike = np.abs(np.log(ratios / middle)) <= math.log(1 + ALIKE)
    if alike.mean() < MOST or min(middle, 1 / middle) > FAR_FROM_SQUARE:
        return None
    return middle


def shape_in_words(shape: float) -> str:
    """Width to height in small whole numbers.

    >>> shape_in_words(0.752)
    '3 : 4'
    """
    ratio = Fraction(min(shape, 1 / shape)).limit_denominator(16)
    short, long = ratio.numerator, ratio.denominator
    return f"{long} : {short}" if shape > 1 else f"{short} : {long}"


def rectangle(shape: float, side: int) -> Resolution | None:
    """Of the rectangles with at most the pixels of a square, and more than a quarter of them, the
    one whose shape is nearest to ``shape`` (width over height); None where there is none."""
    best = min(_rectangles(shape, side), default=None)
    return None if best is None else best[2]


def _rectangles(shape: float, side: int) -> Iterator[tuple[float, int, Resolution]]:
    """Each with how far its shape is off, in thousandths, and its pixels, negative."""
    ratio = max(shape, 1 / shape)
    for often in LAYOUTS:
        for shorter in (start << often for start in STARTS):
            step = 1 << doublings(shorter)
            longer = round(shorter * ratio / step) * step
            if longer > LARGEST or not side**2 / 4 < shorter * longer <= side**2:
                continue
            off = round(1000 * abs(math.log(longer / shorter / ratio)))
            size = from_sides(longer, shorter) if shape > 1 else from_sides(shorter, longer)
            yield off, -shorter * longer, size


def large_enough(size: Resolution, widths: NDArray[np.int64], heights: NDArray[np.int64]) -> float:
    """The share of images that do not have to be enlarged to ``size``."""
    height, width = height_width(size)
    return float(((widths >= width) & (heights >= height)).mean())
