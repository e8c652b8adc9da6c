"""One image file or array to a uint8 array of the wanted size and channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

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
_GREY = {"1", "L"}


def known_colour(name: str) -> str:
    """``name``; ValueError where it is not a colour that Pillow knows."""
    try:
        ImageColor.getrgb(name)
    except ValueError as error:
        raise ValueError("is not a colour: write a name such as black, or #rrggbb") from error
    return name


class TooSmall(ValueError):
    """An image's shorter side is below the resolution."""


@dataclass(frozen=True)
class Preprocess:
    """How images are read: the same for training and for evaluation.

    An image is turned upright by its EXIF orientation; values above 8 bits are scaled to 0 to 255;
    transparency is laid over ``background``, a colour by name or as #rrggbb. Then the paper's
    square centre crop, whose side is the image's shorter side, and an antialiased resize to
    ``resolution``: Lanczos over the whole footprint of an output pixel. Smaller images are enlarged
    (bicubic) where ``enlarges`` is true, and refused where it is not. An image that already has the
    size keeps its pixels; with ``resolution`` None all keep their size.

    ``channels`` None keeps grey images grey. ``value_range`` are the values above 8 bits that
    become 0 and 255; None leaves it to ``ranges``, decided from the whole data set, which None
    leaves to each image alone.
    """

    resolution: int | None
    channels: int | None
    enlarges: bool
    background: str = BACKGROUND
    value_range: Range | None = None
    ranges: Ranges | None = None

    @property
    def key(self) -> str:
        """Text that changes whenever the resulting pixels of a data set may."""
        return (
            f"v{VERSION} exif centre-crop lanczos bicubic-enlarge={self.enlarges} "
            f"resolution={self.resolution} channels={self.channels} "
            f"background={self.background} value-range={self.value_range}"
        )

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """``image`` as an (H, W, C) uint8 array.

        Raises:
            TooSmall: the shorter side is below the resolution and ``enlarges`` is false.
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
        return tuple(found)

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
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
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
        side = min(image.size)
        if side < self.resolution and not self.enlarges:
            raise TooSmall(f"{image.width} x {image.height} pixels")
        if image.width != image.height:
            left, top = (image.width - side) // 2, (image.height - side) // 2
            image = image.crop((left, top, left + side, top + side))
        if side != self.resolution:
            size = (self.resolution, self.resolution)
            image = image.resize(size, SHRINK if side > self.resolution else ENLARGE)
        return image
