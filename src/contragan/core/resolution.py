"""The size of images: the side of a square, or the width and the height of a rectangle."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

LEAST, MOST = 8, 1024
"""Pixels that a side may have in a recipe."""


@dataclass(frozen=True)
class Rectangle:
    """Unequal sides in pixels. It is written as 48x64, the width first."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


Resolution = int | Rectangle
"""The side of a square, or a rectangle."""


def height_width(resolution: Resolution) -> tuple[int, int]:
    """The sides in the order of tensors.

    >>> height_width(64), height_width(Rectangle(48, 64))
    ((64, 64), (64, 48))
    """
    if isinstance(resolution, Rectangle):
        return resolution.height, resolution.width
    return resolution, resolution


def from_sides(width: int, height: int) -> Resolution:
    """The resolution with these sides."""
    return width if width == height else Rectangle(width, height)


def spelled(resolution: Resolution) -> str:
    """For people, the width first.

    >>> spelled(64), spelled(Rectangle(48, 64))
    ('64 x 64', '48 x 64')
    """
    height, width = height_width(resolution)
    return f"{width} x {height}"


def scaled(resolution: Resolution, share: Fraction) -> Resolution | None:
    """Both sides times ``share``; None where that is not a whole number of pixels."""
    height, width = (side * share for side in height_width(resolution))
    if height.denominator > 1 or width.denominator > 1:
        return None
    return from_sides(int(width), int(height))


def read_resolution(text: str) -> Resolution:
    """What a user typed: 64, or 48x64 with the width first.

    Raises:
        ValueError: it is neither, or has a side below 8 pixels.
    """
    size = _parsed(int(text) if text.strip().isdecimal() else text)
    if min(height_width(size)) < LEAST:
        raise ValueError(f"give sides of at least {LEAST} pixels")
    return size


def _parsed(value: object) -> Resolution:
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+)\s*[xX]\s*(\d+)\s*", value)):
        return from_sides(int(match[1]), int(match[2]))
    if isinstance(value, list | tuple) and len(value) == 2:
        one, other = value
        raise ValueError(
            f"[{one}, {other}] does not say which is the width: write {one}x{other} for a width of "
            f"{one} and a height of {other}"
        )
    if isinstance(value, bool) or not isinstance(value, int | Rectangle):
        raise ValueError("must be a number of pixels, or WIDTHxHEIGHT such as 48x64")
    return value


def _checked(value: object) -> Resolution:
    size = _parsed(value)
    if not all(LEAST <= side <= MOST for side in height_width(size)):
        raise ValueError(f"must have sides of {LEAST} to {MOST} pixels")
    return size


def _written(value: Resolution) -> int | str:
    return str(value) if isinstance(value, Rectangle) else value


ResolutionSetting = Annotated[Resolution, PlainValidator(_checked), PlainSerializer(_written)]
"""A resolution in a recipe: a number, or text such as 48x64."""
