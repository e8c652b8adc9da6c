"""Values of more than 8 bits: which range of them becomes 0 to 255.

A file of 16 bits may hold a camera's 12, one of 32 bits a byte. What was meant shows only in all
images together, so it is decided once for each data set, and never for each image.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contragan.data.formats import may_be_deep, open_image

Range = tuple[float, float]
"""The values that become 0 and 255."""

Ranges = Mapping[str, Range]
"""The range of each kind of values: 16-bit, 32-bit and floating-point."""

_PNG = b"\x89PNG\r\n\x1a\n"
_SCAN_AT_A_TIME = 4096

_TOPS = [2.0**bits - 1 for bits in (8, 10, 12, 14, 16, 24, 32)]
"""The greatest values of the numbers of bits that cameras and scanners have."""

# Pillow gives the high bytes of 16-bit colours, and the low ones in the other byte order.
_OTHER = "B" if sys.byteorder == "little" else "L"
_OTHER_BYTE: dict[Any, str | None] = {
    f"{colours};16{order}": f"{colours};16{other}"
    for colours in ("RGB", "RGBA")
    for order, other in (("B", "L"), ("L", "B"), ("N", _OTHER))
} | {"LA;16B": None}  # known in one byte order only, so its high byte alone is read


class Extent(NamedTuple):
    """The kind of an image's values, and the least and the greatest."""

    kind: str
    least: float
    greatest: float


def deep_kind(image: Image.Image) -> str | None:
    """Which kind of values above 8 bits an image has that is not loaded yet; None for 8 bits."""
    if image.mode.startswith("I;16") or _raw_mode(image) in _OTHER_BYTE:
        return "16-bit"
    return {"I": "32-bit", "F": "floating-point"}.get(image.mode)


def _raw_mode(image: Image.Image) -> str | None:
    tiles = getattr(image, "tile", None)
    if not tiles:
        return None
    arguments = tiles[0][3]
    raw_mode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw_mode if isinstance(raw_mode, str) else None


def deep_values(image: Image.Image) -> NDArray[Any]:
    """All bits of an image with a :func:`deep_kind`: (H, W), or (H, W, 3 or 4) for colours.

    Raises:
        ValueError: NaN or infinite values, or what Pillow raises on a damaged file.
    """
    raw_mode = _raw_mode(image)
    if raw_mode not in _OTHER_BYTE:
        values = np.asarray(image)
        if not np.isfinite(values).all():
            raise ValueError("it holds NaN or infinite values")
        return values
    other = _OTHER_BYTE[raw_mode]
    low = None if other is None else _in_order(image, other)
    high = np.asarray(image).astype(np.uint16) << 8
    return high if low is None else high | low


def _in_order(image: Image.Image, raw_mode: str) -> NDArray[np.uint8]:
    """The pixels of an image that is not loaded yet, its file read in another byte order."""
    file: Any = image.fp  # type: ignore[attr-defined]
    position = file.tell()
    file.seek(0)
    again: Any = Image.open(io.BytesIO(file.read()))
    file.seek(position)
    again.tile = [_with_raw_mode(tile, raw_mode) for tile in again.tile]
    return np.asarray(again)


def _with_raw_mode(tile: Any, raw_mode: str) -> Any:
    *place, arguments = tile
    changed = (raw_mode, *arguments[1:]) if isinstance(arguments, tuple) else raw_mode
    # A plain tuple until Pillow 10, a named one since.
    return (*place, changed) if type(tile) is tuple else type(tile)(*place, changed)


def to_eight_bits(values: NDArray[Any], bounds: Range, transparent: Any) -> Image.Image:
    """An image of (H, W) or (H, W, 3 or 4) values, those of its colours ``bounds`` to 0 to 255.

    What lies beyond is cut off. Whole numbers keep their highest bits where the range is a number
    of bits, as 0 to 4095 is; floating-point numbers are rounded. Pixels whose value is
    ``transparent``, a number or one for each colour, become transparent.
    """
    low, high = bounds
    colours = values[..., :3] if values.ndim == 3 else values
    if values.dtype.kind == "f":
        scaled = np.rint((colours.astype(np.float64) - low) * (255 / (high - low)))
    else:
        scaled = np.floor((colours.astype(np.float64) - low) * (256 / (high - low + 1)))
    image = Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))
    if values.ndim == 3 and values.shape[2] == 4:
        image.putalpha(Image.fromarray((values[..., 3] >> 8).astype(np.uint8)))
    elif isinstance(transparent, int | tuple):
        same = colours == np.asarray(transparent)
        opaque = ~(same.all(2) if same.ndim == 3 else same)
        image.putalpha(Image.fromarray(np.where(opaque, 255, 0).astype(np.uint8)))
    return image


def extent_of(kind: str, values: NDArray[Any]) -> Extent:
    """The extent of an image's values; the fourth of four, which says how opaque, not counted."""
    colours = values[..., :3] if values.ndim == 3 else values
    return Extent(kind, float(colours.min()), float(colours.max()))


def decide(extents: Iterable[Extent]) -> dict[str, Range]:
    """The range of each kind of values, from all images of a data set.

    Whole numbers: from 0 to the greatest of the fewest usual bits (8, 10, 12, 14, 16, 24, 32) that
    hold them; from the least to the greatest where some are negative. Floating-point numbers: 0 to
    1 or 0 to 255 where they lie in there, else from the least to the greatest.
    """
    found: dict[str, Range] = {}
    for kind, least, greatest in extents:
        low, high = found.get(kind, (least, greatest))
        found[kind] = min(low, least), max(high, greatest)
    return {kind: _whole_range(kind, *bounds) for kind, bounds in found.items()}


def _whole_range(kind: str, least: float, greatest: float) -> Range:
    if kind == "floating-point":
        standard = [(0.0, top) for top in (1.0, 255.0) if least >= 0 and greatest <= top]
        return standard[0] if standard else (least, max(greatest, least + 1))
    if least < 0:
        return least, greatest
    return 0.0, next((top for top in _TOPS if greatest <= top), greatest)


def scan(paths: Sequence[str], workers: int) -> dict[str, Range]:
    """The ranges of a data set's files; a file that cannot be read counts for nothing here."""
    chosen = [path for path in paths if may_be_deep(path)]
    extents: list[Extent] = []
    with ThreadPoolExecutor(workers, "scan") as pool:
        for start in range(0, len(chosen), _SCAN_AT_A_TIME):
            found = pool.map(_file_extent, chosen[start : start + _SCAN_AT_A_TIME])
            extents += [one for one in found if one is not None]
    return decide(extents)


def _file_extent(path: str) -> Extent | None:
    try:
        with open(path, "rb") as file:
            head = file.read(26)
            if head.startswith(_PNG) and head[24:25] != b"\x10":  # its bit depth
                return None
            file.seek(0)
            with open_image(file, path) as image:
                kind = deep_kind(image)
                return None if kind is None else extent_of(kind, deep_values(image))
    except Exception:  # whoever decodes the file says what is wrong with it
        return None
