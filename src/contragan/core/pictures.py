"""Images for people: labelled grids and single files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from contragan.core.files import whole
from contragan.core.fonts import Font, font_for

GRID_ROWS = 20
"""Classes that a training run's grids show."""

_BACKGROUND, _INK = (255, 255, 255), (32, 32, 32)


def to_pil(image: UInt8[Tensor, "C H W"]) -> Image.Image:
    """A uint8 image, grey or RGB, as a Pillow image."""
    array = image.permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def labelled_grid(
    images: UInt8[Tensor, "B C H W"], labels: Int[Tensor, " B"], class_names: tuple[str, ...]
) -> Image.Image:
    """A picture with one row for each class, its name to the left, in a font that can write it.

    Small images are enlarged by whole factors; more than 16 of a class continue in further rows.
    """
    side = images.shape[-1]
    scale = max(1, 48 // side)
    cell, gap = side * scale, 2
    rows = _rows(labels)
    columns = max(len(row) for _, row in rows)
    size = max(12, min(18, cell // 3))
    titles = {label: _title(label, class_names[label], size) for label, _ in rows}
    margin = max(round(font.getlength(text)) for text, font in titles.values()) + 16
    grid = Image.new(
        "RGB", (margin + columns * (cell + gap), len(rows) * (cell + gap) + gap), _BACKGROUND
    )
    draw = ImageDraw.Draw(grid)
    for y, (label, row) in enumerate(rows):
        top = gap + y * (cell + gap)
        text, font = titles[label]
        draw.text((8, top + cell / 2), text, _INK, font=font, anchor="lm")
        for x, index in enumerate(row):
            picture = to_pil(images[index]).resize((cell, cell), Image.Resampling.NEAREST)
            grid.paste(picture, (margin + x * (cell + gap), top))
    return grid


def _title(label: int, name: str, size: int) -> tuple[str, Font]:
    """A class's name and a font that can write it; its index where no font can."""
    font = font_for(name, size)
    return (f"class {label}", ImageFont.load_default(size=size)) if font is None else (name, font)


def _rows(labels: Int[Tensor, " B"], most: int = 16) -> list[tuple[int, list[int]]]:
    values = labels.cpu().numpy()
    rows = []
    for label in np.unique(values):
        members = np.flatnonzero(values == label).tolist()
        rows += [(int(label), members[i : i + most]) for i in range(0, len(members), most)]
    return rows


def paired_rows(top: NDArray[np.uint8], below: NDArray[np.uint8], per_row: int = 8) -> Image.Image:
    """Images (N, C, H, W) above their counterparts (N, C, H, W), ``per_row`` pairs a row."""
    side = top.shape[-1]
    scale = max(1, 64 // side)
    cell, gap = side * scale, 4
    rows = -(-len(top) // per_row)
    size = (per_row * (cell + gap) + gap, rows * (2 * cell + 3 * gap))
    picture = Image.new("RGB", size, _BACKGROUND)
    for index, pair in enumerate(zip(top, below, strict=True)):
        y, x = divmod(index, per_row)
        for half, pixels in enumerate(pair):
            image = to_pil(torch.from_numpy(pixels)).resize((cell, cell), Image.Resampling.NEAREST)
            picture.paste(
                image, (gap + x * (cell + gap), gap + y * (2 * cell + 3 * gap) + half * cell)
            )
    return picture


def save_image(picture: Image.Image, path: Path) -> None:
    """Write a PNG whole or not at all."""
    with whole(path) as temporary, temporary.open("wb") as file:
        picture.save(file, format="PNG")
