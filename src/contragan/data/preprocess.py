"""One image file or array to a uint8 array of the wanted size and channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from contragan.core.resolution import Resolution, height_width, spelled
from contragan.data.value_range import (
    Range,
    Ranges,
    decide,
    deep_kind,
    deep_values,
    extent_of,
    to_eight_bits,
)

# Bump when the pixels that preprocessing makes of the same file change.
VERSION = 2

SHRINK = Image.Resampling.LANCZOS
# Lanczos rings around hard edges when it enlarges, and digits are all hard edges.
ENLARGE = Image.Resampling.BICUBIC

BACKGROUND = "white"
"""What transparent images lie over: drawings and icons are dark more often than light."""

Fit = Literal["crop", "pad", "stretch"]
"""How an image gets the shape of the resolution: its central part of that shape, all of it with a
border, or all of it, distorted."""

CUT_MUCH = 1 / 3
"""Share of an image that a crop takes away from which it is told of."""

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {5, 6, 7, 8}
_GREY = {"1", "L"}


def known_colour(name: str) -> str:
    """``name``; ValueError where it is not a colour that Pillow knows."""
    try:
        ImageColor.getrgb(name)
    except ValueError as error:
        raise ValueError("is not a colour: write a name such as black, or #rrggbb") from error
    return name


class TooSmall(ValueError):
    """An image is below the resolution: on one side, or with ``pad`` on both."""


@dataclass(frozen=True)
class Preprocess:
    """How images are read: the same for training and for evaluation.

    An image is turned upright by its EXIF orientation; values above 8 bits are scaled to 0 to 255;
    transparency is laid over ``background``, a colour by name or as #rrggbb. Then ``fit``: crop is
    the paper's centre crop, the largest part of the resolution's shape (of a square, its side is
    the image's shorter side); pad keeps all of the image and fills the rest with ``background``;
    stretch distorts it. And an antialiased resize to ``resolution``: Lanczos over the whole
    footprint of an output pixel. Smaller images are enlarged (bicubic) where ``enlarges`` is true,
    and refused where it is not. An image that already has the size keeps its pixels; with
    ``resolution`` None all keep their size.

    ``channels`` None keeps grey images grey. ``value_range`` are the values above 8 bits that
    become 0 and 255; None leaves it to ``ranges``, decided from the whole data set, which None
    leaves to each image alone.
    """

    resolution: Resolution | None
    channels: int | None
    enlarges: bool
    background: str = BACKGROUND
    value_range: Range | None = None
    ranges: Ranges | None = None
    fit: Fit = "crop"

    @property
    def key(self) -> str:
        """Text that changes whenever the resulting pixels of a data set may."""
        return (
            f"v{VERSION} exif centre-crop lanczos bicubic-enlarge={self.enlarges} "
            f"resolution={self.resolution} channels={self.channels} "
            f"background={self.background} value-range={self.value_range}"
            + ("" if self.fit == "crop" else f" fit={self.fit}")
        )

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """``image`` as an (H, W, C) uint8 array.

        Raises:
            TooSmall: the image is below the resolution and ``enlarges`` is false.
        """
        pixels = self._resized(self._coloured(self._upright(image)))
        array = np.asarray(pixels)
        return array[..., None] if array.ndim == 2 else array

    def remarks(self, image: Image.Image) -> tuple[str, ...]:
        """What to tell of an image that was opened and not loaded yet: it is read only in part."""
        found = []
        kind = deep_kind(image)
        bounds = self.value_range or (self.ranges or {}).get(kind or "")
        if kind is not None and bounds is not None:
            low, high = bounds
            found.append(f"with {kind} values: {low:,.6g} to {high:,.6g} became 0 to 255")
        # The second picture of an MPO file is the first one's thumbnail or depth.
        if getattr(image, "is_animated", False) and image.format not in {"MPO", "PSD"}:
            found.append("with several frames: the first is used")
        if self.resolution is not None:
            found += self._of_size(self.resolution, *upright_size(image))
        return tuple(found)

    def _of_size(self, resolution: Resolution, width: int, height: int) -> list[str]:
        found = []
        rows, columns = height_width(resolution)
        shape = "a square" if rows == columns else spelled(resolution)
        # Both sides in units of the resolution's, times the same number.
        wide, high = width * rows, height * columns
        if self.fit == "crop" and min(wide, high) <= (1 - CUT_MUCH) * max(wide, high):
            found.append(f"lost a third or more in the crop to {shape}")
        if self.fit != "crop" and wide != high:
            done = "padded with data.background" if self.fit == "pad" else "stretched"
            found.append(f"{done} to {shape}")
        if self.enlarges and self._too_small(width, height):
            found.append(f"enlarged to {spelled(resolution)}")
        return found

    def _too_small(self, width: int, height: int) -> bool:
        """Whether an image of that size would have to be enlarged."""
        assert self.resolution is not None
        rows, columns = height_width(self.resolution)
        return (all if self.fit == "pad" else any)((width < columns, height < rows))

    def _bounds(self, kind: str, values: NDArray[Any]) -> Range:
        if self.value_range is not None:
            return self.value_range
        if self.ranges is None:
            return decide([extent_of(kind, values)])[kind]
        if kind not in self.ranges:
            raise ValueError(f"{kind} values under the suffix of an 8-bit format: rename it")
        return self.ranges[kind]

    def _upright(self, image: Image.Image) -> Image.Image:
        kind = deep_kind(image)
        values = None if kind is None else deep_values(image)
        image.load()  # a TIFF turns itself, and then forgets how it lay
        turn = _UPRIGHT.get(_orientation(image))
        if kind is not None and values is not None:
            image = to_eight_bits(
                values, self._bounds(kind, values), image.info.get("transparency")
            )
        return image if turn is None else image.transpose(turn)

    def _coloured(self, image: Image.Image) -> Image.Image:
        grey = image.mode in _GREY if self.channels is None else self.channels == 1
        mode = "L" if grey else "RGB"
        if image.mode == mode and "transparency" not in image.info:
            return image
        if image.has_transparency_data:
            layer = image.convert("LA") if image.mode == "La" else image
            ground = Image.new("RGBA", image.size, self.background)
            image = Image.alpha_composite(ground, layer.convert("RGBA"))
        elif image.mode == "LAB":
            image = image.convert("RGB")  # the only mode that Pillow converts it to
        return image.convert(mode)

    def _resized(self, image: Image.Image) -> Image.Image:
        if self.resolution is None:
            return image
        if self._too_small(image.width, image.height) and not self.enlarges:
            raise TooSmall(f"{image.width} x {image.height} pixels")
        if self.fit == "pad":
            return self._padded(image)
        rows, columns = height_width(self.resolution)
        size = (columns, rows)
        if self.fit == "crop":
            image = _cropped(image, columns, rows)
        if image.size != size:
            smaller = image.width > columns and image.height > rows
            image = image.resize(size, SHRINK if smaller else ENLARGE)
        return image

    def _padded(self, image: Image.Image) -> Image.Image:
        """All of the image in the middle of a background of the resolution."""
        assert self.resolution is not None
        rows, columns = height_width(self.resolution)
        if image.width * rows >= image.height * columns:
            width, height = columns, max(1, round(image.height * columns / image.width))
        else:
            width, height = max(1, round(image.width * rows / image.height)), rows
        if (width, height) != image.size:
            smaller = image.width > columns or image.height > rows
            image = image.resize((width, height), SHRINK if smaller else ENLARGE)
        if (width, height) == (columns, rows):
            return image
        ground = Image.new("RGB", (columns, rows), self.background).convert(image.mode)
        ground.paste(image, ((columns - width) // 2, (rows - height) // 2))
        return ground


def _orientation(image: Image.Image) -> int:
    """How an image's EXIF says that it lies; as it is where that is damaged."""
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # the picture itself is whole, and the parser fails in ways of its own
        return 1
    return found if isinstance(found, int) else 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of an image that was opened and not loaded, as it is to be looked at."""
    # Asked of files with EXIF in front only: others would be decoded, or have the size already.
    turned = "exif" in image.info and _orientation(image) in _SIDEWAYS
    return (image.height, image.width) if turned else image.size


def _cropped(image: Image.Image, columns: int, rows: int) -> Image.Image:
    """The largest central part of an image in which width : height = columns : rows."""
    width, height = image.size
    if width * rows > height * columns:
        width = max(1, round(height * columns / rows))
    elif width * rows < height * columns:
        height = max(1, round(width * rows / columns))
    else:
        return image
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
