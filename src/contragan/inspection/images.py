"""Every image of a data set, decoded once: what it is, what it shows, and its features."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from contragan.data.base import Pixels
from contragan.data.file_source import Unreadable, opened
from contragan.data.preprocess import Preprocess
from contragan.data.store import in_blocks
from contragan.data.unreadable import failure
from contragan.data.value_range import deep_kind
from contragan.features.extractor import FeatureExtractor
from contragan.inspection.found import Found

SMALL, LARGE = 128, 224
"""Sides of the squares that features are taken of: of small images, and of all others."""

SKETCH = 16
"""Side of the small grey image that tells a copy from an image that is merely alike."""

AT_ONCE = 32

_SAMPLED = 64
"""Images whose sizes decide on the side."""


@dataclass(frozen=True)
class Facts:
    """What one image is: its size once upright, its colours, its format and its pixels' hash."""

    width: int
    height: int
    colour: str
    format: str
    digest: bytes


@dataclass(frozen=True)
class Images:
    """What was learnt of the images that can be read.

    ``rows`` (M,) are their rows in the :class:`Found` set, ``facts`` M, ``sketches`` (M, 256)
    uint8, ``features`` (M, D) float32. ``failures`` are the others, with reasons; ``remarks``
    count images that are not shown whole.
    """

    rows: NDArray[np.int64]
    facts: list[Facts]
    sketches: NDArray[np.uint8]
    features: NDArray[np.float32]
    failures: list[str] = field(default_factory=list)
    remarks: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Block:
    rows: list[int]
    facts: list[Facts]
    squares: list[Pixels]
    failures: list[str]
    remarks: list[str]


def side_for(found: Found) -> int:
    """The side at which images are compared: 128 where most are no larger, else 224."""
    shorter = []
    for row in np.linspace(0, len(found) - 1, min(_SAMPLED, len(found))).astype(int).tolist():
        with suppress(Unreadable), opened(found.files[row].path) as image:
            shorter.append(min(image.size))
    return SMALL if not shorter or np.median(shorter) <= SMALL else LARGE


def examine_all(
    found: Found,
    extractor: FeatureExtractor,
    side: int,
    progress: Callable[[int, int], None],
) -> Images:
    """Decode each image and take its features; ``progress`` hears how many are done, and of all."""
    rows: list[int] = []
    facts: list[Facts] = []
    sketches = [np.empty((0, SKETCH**2), np.uint8)]
    features = [np.empty((0, extractor.dim), np.float32)]
    failures: list[str] = []
    remarks: Counter[str] = Counter()
    for done, block in enumerate(in_blocks(partial(_read, found, side), len(found), AT_ONCE)):
        failures += block.failures
        remarks.update(block.remarks)
        rows += block.rows
        facts += block.facts
        if block.squares:
            squares = np.stack(block.squares)
            sketches.append(np.stack([_sketch(square) for square in squares]))
            pixels = torch.from_numpy(squares).permute(0, 3, 1, 2)
            features.append(extractor(pixels).features.cpu().numpy())
        progress(min((done + 1) * AT_ONCE, len(found)), len(found))
    return Images(
        np.array(rows, np.int64),
        facts,
        np.concatenate(sketches),
        np.concatenate(features),
        failures,
        remarks,
    )


def _read(found: Found, side: int, start: int, stop: int) -> _Block:
    block = _Block([], [], [], [], [])
    for row in range(start, stop):
        path = found.files[row].path
        try:
            facts, square, remarks = examine(path, found.reading(row), side)
        except Unreadable as error:
            block.failures.append(failure(found.shown(path), error))
        else:
            block.rows.append(row)
            block.facts.append(facts)
            block.squares.append(square)
            block.remarks.extend(remarks)
    return block


def examine(path: str, reading: Preprocess, side: int) -> tuple[Facts, Pixels, tuple[str, ...]]:
    """One image file: what it is, its central square (side, side, 3), and what to tell of it.

    Raises:
        Unreadable: the file is not a whole image.
        UserError: it does not fit in memory.
    """
    with opened(path) as image:
        remarks = reading.remarks(image)
        colour = _stored_as(image)
        kind = image.format or "unknown"
        pixels = reading(image)
    square = Preprocess(side, 3, enlarges=True)(Image.fromarray(pixels))
    if colour == "colour" and _is_grey(square):
        colour = "grey, stored as colour"
    height, width = pixels.shape[:2]
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return Facts(width, height, colour, kind, digest.digest()), square, remarks


def show(found: Found, row: int, side: int) -> Pixels:
    """An image for people, (side, side, 3): all of it, on white."""
    reading = replace(found.reading(row), resolution=None)
    with opened(found.files[row].path) as image:
        whole = Image.fromarray(reading(image))
    factor = side / max(whole.size)
    size = (max(1, round(whole.width * factor)), max(1, round(whole.height * factor)))
    small = whole.resize(size, Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.NEAREST)
    ground = Image.new("RGB", (side, side), "white")
    ground.paste(small, ((side - size[0]) // 2, (side - size[1]) // 2))
    return np.asarray(ground)


def _stored_as(image: Image.Image) -> str:
    if (deep := deep_kind(image)) is not None:
        return f"{deep} values"
    if image.has_transparency_data:
        return "with transparency"
    if image.mode in {"1", "L"}:
        return "grey"
    return "colour" if image.mode in {"RGB", "P", "YCbCr", "RGBX"} else image.mode


def _is_grey(square: Pixels) -> bool:
    values = square[::4, ::4].astype(np.int16)
    return bool(np.abs(values - values[..., :1]).max() <= 4)


def _sketch(square: Pixels) -> NDArray[np.uint8]:
    grey = square.astype(np.float32).mean(2)
    step = len(grey) // SKETCH
    means: Pixels = np.rint(grey.reshape(SKETCH, step, SKETCH, step).mean((1, 3))).astype(np.uint8)
    return means.ravel()
