"""One image file or array to a square uint8 array of the wanted size and channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

# Bump when the pixels that preprocessing makes of the same file change.
VERSION = 1

SHRINK = Image.Resampling.LANCZOS
# Lanczos rings around hard edges when it enlarges, and digits are all hard edges.
ENLARGE = Image.Resampling.BICUBIC

_SIXTEEN_BIT_MODES = {"I", "I;16", "I;16B", "I;16L", "I;16N"}


class TooSmall(ValueError):
    """An image's shorter side is below the resolution."""


@dataclass(frozen=True)
class Preprocess:
    """The paper's square centre crop, then an antialiased resize to ``resolution``.

    The crop's side is the image's shorter side. Shrinking is Lanczos over the whole footprint of
    an output pixel; an image that already has the size keeps its pixels. Smaller images are
    enlarged (bicubic) where ``enlarges`` is true, and refused where it is not.
    """

    resolution: int
    channels: int
    enlarges: bool

    @property
    def key(self) -> str:
        """Text that changes whenever the resulting pixels may."""
        return (
            f"v{VERSION} exif centre-crop lanczos bicubic-enlarge={self.enlarges} "
            f"resolution={self.resolution} channels={self.channels}"
        )

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """``image`` as an (H, W, C) uint8 array.

        EXIF orientation is applied, 16-bit values are scaled down, transparency is laid over black.

        Raises:
            TooSmall: the shorter side is below the resolution and ``enlarges`` is false.
        """
        ImageOps.exif_transpose(image, in_place=True)
        image = _to_mode(image, "L" if self.channels == 1 else "RGB")
        side = min(image.size)
        if side < self.resolution and not self.enlarges:
            raise TooSmall(f"{image.width} x {image.height} pixels")
        if image.width != image.height:
            left, top = (image.width - side) // 2, (image.height - side) // 2
            image = image.crop((left, top, left + side, top + side))
        if side != self.resolution:
            size = (self.resolution, self.resolution)
            image = image.resize(size, SHRINK if side > self.resolution else ENLARGE)
        return np.asarray(image).reshape(self.resolution, self.resolution, self.channels)


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == mode:
        return image
    if image.mode in _SIXTEEN_BIT_MODES:
        # Pillow's own conversion clips at 255, which turns most 16-bit images white.
        values = np.asarray(image).astype(np.int64)
        image = Image.fromarray(np.clip(values >> 8, 0, 255).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("floating-point pixels have no agreed range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, (0, 0, 0, 255)), layer)
    return image.convert(mode)
