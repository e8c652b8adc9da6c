"""Generated images beside the training images that they are most like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from contragan.core.fonts import font_for
from contragan.core.pictures import BACKGROUND, FAINT, INK, Picture, Text, enlarged

CELL, GAP, CAPTION, BETWEEN, BELOW_TITLE = 96, 6, 34, 26, 20
"""Pixels: the least longer side of an image, between images, below them, between groups, below the
title."""

PER_ROW = 8
"""Images in a row, training images among them."""


@dataclass(frozen=True)
class ClosestPairs:
    """Generated images (n, C, H, W) uint8, the training image nearest to each, and distances.

    ``generated_names`` and ``training_names`` are names of classes, None where there are none.
    """

    generated: NDArray[np.uint8]
    training: NDArray[np.uint8]
    distances: NDArray[np.float32]
    generated_names: tuple[str, ...] | None = None
    training_names: tuple[str, ...] | None = None


def draw_pairs(pairs: ClosestPairs, measured: str = "in features", of: str = "") -> Picture:
    """Each training image once, and to its right the generated images that are nearest to it.

    Under the images stand their classes, and the distances under the generated ones. Training
    images with equal pixels count as one. ``measured`` says what the distances are, ``of`` whose
    images these are.
    """
    sides = pairs.training.shape[-2:]
    scale = max(CELL // max(sides), 1)
    high, wide = (side * scale for side in sides)
    texts = _title(measured, of)
    lowest, longest = texts[-1].y + texts[-1].size, max(map(_length, texts))
    top, least = round(lowest) + BELOW_TITLE, longest + 2 * GAP
    places, width, height = _layout(_groups(pairs), wide, high, top, least)
    pixels = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(pixels)
    for index, is_training, x, y in places:
        source = pairs.training if is_training else pairs.generated
        names = pairs.training_names if is_training else pairs.generated_names
        pixels.paste(enlarged(torch.from_numpy(source[index].copy()), scale), (x, y))
        if is_training:
            draw.rectangle((x - 3, y - 3, x + wide + 2, y + high + 2), outline=FAINT, width=2)
        middle = x + wide / 2
        if names is not None:
            texts.append(Text(middle, y + high + 5, _fitted(names[index], wide), 12, "ma"))
        below = y + high + (5 if names is None else 20)
        said = "training" if is_training else f"{pairs.distances[index]:.3g}"
        texts.append(Text(middle, below, said, 11, "ma", FAINT))
    return Picture(pixels, tuple(texts))


def _title(measured: str, of: str) -> list[Text]:
    """The lines above the images."""
    lines = [(of, 15, INK)] if of else []
    lines.append(("Training images (framed) and generated images nearest to them", 15, INK))
    lines.append((f"Below: the class, and the distance {measured} (0: the same)", 12, FAINT))
    return [
        Text(GAP, 10 + 24 * number, line, size, "la", color)
        for number, (line, size, color) in enumerate(lines)
    ]


def _length(text: Text) -> int:
    font = font_for(text.text, text.size)
    return 0 if font is None else round(font.getlength(text.text))


def _groups(pairs: ClosestPairs) -> list[list[int]]:
    """Indices of pairs with equal training images, in the order of their first pair."""
    groups: dict[bytes, list[int]] = {}
    for index, image in enumerate(pairs.training):
        groups.setdefault(np.ascontiguousarray(image).tobytes(), []).append(index)
    return list(groups.values())


def _layout(
    groups: list[list[int]], wide: int, high: int, top: int, least: int
) -> tuple[list[tuple[int, bool, int, int]], int, int]:
    """(pair, whether its training image, x, y) of every image, and the picture's size.

    Images begin at ``top``, and the picture is at least ``least`` wide.

    A group that does not fit in what is left of a row begins the next; one that is longer than a
    row goes on below.
    """
    step, width = wide + GAP, PER_ROW * (wide + GAP) + BETWEEN * (PER_ROW // 2)
    places: list[tuple[int, bool, int, int]] = []
    x, y, right = GAP, top, 0
    for group in groups:
        images = [(group[0], True), *((index, False) for index in group)]
        if x > GAP and x + len(images) * step > width:
            x, y = GAP, y + high + CAPTION + GAP
        for position, (index, is_training) in enumerate(images):
            if position and x + step > width:
                x, y = GAP + step, y + high + CAPTION + GAP  # below the first generated image
            places.append((index, is_training, x, y))
            x += step
            right = max(right, x)
        x += BETWEEN
    return places, max(right, least), y + high + CAPTION


def _fitted(name: str, width: int, size: int = 12) -> str:
    """The name, cut where it is wider than ``width`` pixels."""
    font = font_for(name, size)
    if font is None:
        return "?"
    kept = name
    while len(kept) > 1 and font.getlength(kept if kept == name else kept + "…") > width:
        kept = kept[:-1]
    return kept if kept == name else kept + "…"
