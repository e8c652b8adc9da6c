"""Images for people: labelled grids and single files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from contragan.core.errors import UserError
from contragan.core.files import whole
from contragan.core.fonts import Font, font_for, font_path, legible

GRID_ROWS = 20
"""Classes that a training run's grids show."""

FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".svg": "svg", ".pdf": "pdf"}
"""The kinds of picture files, by how their names end."""

MOST_IN_ROW = 16
LARGEST_SIDE = 30_000
BACKGROUND, INK, FAINT = (255, 255, 255), (32, 32, 32), (110, 110, 110)
GAP = 2


@dataclass(frozen=True)
class Text:
    """A line of text, ``anchor`` saying which point of it lies at (x, y), as in Pillow."""

    x: float
    y: float
    text: str
    size: int
    anchor: Literal["lm", "ma", "la"] = "lm"
    color: tuple[int, int, int] = INK


@dataclass(frozen=True)
class Picture:
    """Pixels with texts over them, which files of lines (SVG, PDF) keep as letters."""

    pixels: Image.Image
    texts: tuple[Text, ...]

    def image(self) -> Image.Image:
        """The picture as pixels, texts drawn."""
        drawn = self.pixels.copy()
        draw = ImageDraw.Draw(drawn)
        for text in self.texts:
            place = (text.x, text.y)
            draw.text(place, text.text, text.color, font=_font(text), anchor=text.anchor)
        return drawn

    def save(self, path: Path) -> None:
        """Write the file, of the kind that its name ends with, whole or not at all."""
        kind = FORMATS[path.suffix.lower()]
        if kind in {"png", "jpeg"}:
            save_image(self.image(), path)
            return
        with whole(path) as temporary, temporary.open("wb") as file:
            figure = self.figure()
            figure.savefig(file, format=kind, dpi=72)

    def figure(self) -> Any:
        """The picture in matplotlib, one point for each pixel."""
        from matplotlib.figure import Figure
        from matplotlib.font_manager import FontProperties

        width, height = self.pixels.size
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.imshow(np.asarray(self.pixels), interpolation="none", extent=(0, width, height, 0))
        places = {"l": "left", "m": "center", "a": "top"}
        for text in self.texts:
            axes.text(
                text.x,
                text.y,
                text.text,
                fontproperties=FontProperties(fname=font_path(text.text), size=text.size),
                color=tuple(value / 255 for value in text.color),
                ha=places[text.anchor[0]],
                va=places[text.anchor[1]],
                parse_math=False,
            )
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        return figure


def to_pil(image: UInt8[Tensor, "C H W"]) -> Image.Image:
    """A uint8 image, grey or RGB, as a Pillow image."""
    array = image.permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def enlarged(image: UInt8[Tensor, "C H W"], scale: int) -> Image.Image:
    """A uint8 image in which each pixel has become a square of ``scale`` pixels a side."""
    picture = to_pil(image)
    size = (picture.width * scale, picture.height * scale)
    return picture.resize(size, Image.Resampling.NEAREST)


def labelled_grid(
    images: UInt8[Tensor, "B C H W"],
    labels: Int[Tensor, " B"],
    class_names: tuple[str, ...],
    *,
    columns: int | None = None,
    scale: int | None = None,
) -> Image.Image:
    """:func:`draw_grid` as pixels."""
    return draw_grid(images, labels, class_names, columns=columns, scale=scale).image()


def draw_grid(
    images: UInt8[Tensor, "B C H W"],
    labels: Int[Tensor, " B"],
    class_names: tuple[str, ...],
    *,
    columns: int | None = None,
    scale: int | None = None,
) -> Picture:
    """A picture with one row for each class, its name to the left, in a font that can write it.

    More than ``columns`` images of a class continue in further rows, by default in as few as hold
    16 each. ``scale`` is a whole factor that images are enlarged by, by default so that they
    have 48 pixels on the longer side.

    Raises:
        UserError: the picture would be too large.
    """
    height, width = images.shape[-2:]
    scale = max(1, 48 // max(height, width)) if scale is None else scale
    height, width = height * scale, width * scale
    rows = _rows(labels, columns)
    across = max(len(row) for _, row in rows)
    size = max(12, min(18, height // 3))
    pitch = max(height, size + 4) + GAP
    titles = {label: _title(label, class_names[label], size) for label, _ in rows}
    margin = max(round(font.getlength(text)) for text, font in titles.values()) + 16
    extent = (margin + across * (width + GAP), len(rows) * pitch + GAP)
    if max(extent) > LARGEST_SIDE:
        raise UserError(
            f"the grid would have {extent[0]:,} x {extent[1]:,} pixels, more than {LARGEST_SIDE:,} "
            "a side: draw fewer images, or enlarge them less (scale)"
        )
    pixels = Image.new("RGB", extent, BACKGROUND)
    texts: list[Text] = []
    named: set[int] = set()
    for y, (label, row) in enumerate(rows):
        top = GAP + y * pitch
        if label not in named:  # a class that goes on in further rows is named once
            texts.append(Text(8, top + height / 2, titles[label][0], size))
            named.add(label)
        for x, index in enumerate(row):
            pixels.paste(enlarged(images[index], scale), (margin + x * (width + GAP), top))
    return Picture(pixels, tuple(texts))


def _title(label: int, name: str, size: int) -> tuple[str, Font]:
    """A class's name and a font that can write it; its index where no font can."""
    shown = legible(name, label)
    return shown, font_for(shown, size) or _default(size)


def _font(text: Text) -> Font:
    return font_for(text.text, text.size) or _default(text.size)


def _default(size: int) -> Font:
    return ImageFont.load_default(size=size)


def _rows(labels: Int[Tensor, " B"], columns: int | None) -> list[tuple[int, list[int]]]:
    """Labels with the images in each row."""
    values = labels.cpu().numpy()
    found = {int(label): np.flatnonzero(values == label).tolist() for label in np.unique(values)}
    if columns is None:
        most = max(map(len, found.values()))
        columns = -(-most // -(-most // MOST_IN_ROW))
    return [
        (label, members[start : start + columns])
        for label, members in found.items()
        for start in range(0, len(members), columns)
    ]


def save_image(picture: Image.Image, path: Path) -> None:
    """Write a PNG or, where the name says so, a JPEG, whole or not at all."""
    with whole(path) as temporary, temporary.open("wb") as file:
        if FORMATS.get(path.suffix.lower()) == "jpeg":
            # 4:4:4: halved colours would blur the edges of enlarged pixels.
            picture.save(file, format="JPEG", quality=95, subsampling=0)
        else:
            picture.save(file, format="PNG")
