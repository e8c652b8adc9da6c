"""Sizes, shapes, colours and formats of images, in words and as JSON values."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from contragan.core.words import images_of
from contragan.inspection.aspect import rectangle, shape_in_words, shared_shape
from contragan.inspection.findings import Finding
from contragan.inspection.found import Found
from contragan.inspection.images import Images

RESOLUTIONS = (32, 64, 128, 256, 512)

MUCH = 1 / 3
"""Share of an image that a crop to a square takes away, from which it is worth a look."""


def summary(images: Images) -> list[tuple[str, str]]:
    """Lines about all images: a title and its text."""
    widths, heights = _sides(images)
    shorter = np.minimum(widths, heights)
    sizes = Counter(zip(widths.tolist(), heights.tolist(), strict=True))
    if len(sizes) == 1:
        text = f"all {widths[0]:,} x {heights[0]:,} pixels"
    else:
        small, large = min(sizes, key=_area), max(sizes, key=_area)
        text = (
            f"{small[0]:,} x {small[1]:,} to {large[0]:,} x {large[1]:,} pixels; the shorter side "
            f"is typically {int(np.median(shorter)):,}"
        )
    lines = [("Sizes", text), ("Large enough", _enough(shorter))]
    ratio = widths / heights
    square, wide = np.abs(ratio - 1) < 0.02, ratio > 1
    kinds = {"square": square, "landscape": wide & ~square, "portrait": ~wide & ~square}
    shapes = [f"{name} {percent(mask.mean())}" for name, mask in kinds.items() if mask.any()]
    lines.append(("Shapes", ", ".join(shapes)))
    if not square.all():
        lost = _lost(images)
        middle = float(np.median(lost))
        takes = [f"{percent(middle)} of a typical image"] if middle > 0 else []
        if (much := int((lost >= MUCH).sum())) > 0:
            takes.append(f"a third or more of {images_of(much)}")
        takes = takes or ["little of any image"]
        lines.append(("Cropping", f"a crop to a square takes {', '.join(takes)}"))
    shape = shared_shape(widths, heights)
    if shape is not None and (size := rectangle(shape, 64)) is not None:
        kept = f"about {shape_in_words(shape)}, which data.resolution={size} keeps"
        lines.append(("Shape of most", kept))
    lines.append(("Colours", _counted(Counter(one.colour for one in images.facts))))
    lines.append(("Formats", _counted(Counter(one.format for one in images.facts))))
    return lines


def _enough(shorter: np.ndarray) -> str:
    """For which resolutions the images are large enough, up to the first that few are."""
    parts = []
    for side in RESOLUTIONS:
        share = float((shorter >= side).mean())
        parts.append(f"{percent(share)} for {side} px")
        if share < 0.01:
            break
    return ", ".join(parts)


def facts(images: Images) -> dict[str, Any]:
    """The same as JSON values."""
    widths, heights = _sides(images)
    if not len(widths):
        return {"images": 0}
    lost = _lost(images)
    shape = shared_shape(widths, heights)
    return {
        "images": len(images.facts),
        "width": {"least": int(widths.min()), "greatest": int(widths.max())},
        "height": {"least": int(heights.min()), "greatest": int(heights.max())},
        "shorter_side_median": float(np.median(np.minimum(widths, heights))),
        "aspect_ratio": {
            str(q): round(float(np.quantile(widths / heights, q / 100)), 3)
            for q in (0, 5, 50, 95, 100)
        },
        "shared_aspect_ratio": None if shape is None else round(shape, 3),
        "cropped_share": {
            "median": round(float(np.median(lost)), 4),
            "greatest": round(float(lost.max()), 4),
        },
        "colours": dict(Counter(one.colour for one in images.facts)),
        "formats": dict(Counter(one.format for one in images.facts)),
        "not_shown_whole": dict(images.remarks),
    }


def crop_finding(found: Found, images: Images) -> list[Finding]:
    """Images of which a crop to a square takes a third or more."""
    lost = _lost(images)
    much = np.flatnonzero(lost >= MUCH)
    much = much[np.argsort(-lost[much], kind="stable")]
    if not len(much):
        return []
    names = [found.name(int(images.rows[place])) for place in much]
    shares = [percent(lost[place]) for place in much]
    return [
        Finding(
            "cropped",
            "look" if len(much) > 0.1 * len(lost) else "note",
            f"Cropped to its central square, {images_of(len(much))} would lose a third or more.",
            "data.fit=pad keeps all of an image, with a border. data.fit=stretch distorts it.",
            len(much),
            tuple(f"{name} loses {share}" for name, share in zip(names, shares, strict=True)),
            tuple(
                {"file": name, "lost": round(float(lost[place]), 4)}
                for name, place in zip(names, much, strict=True)
            ),
            tuple(
                (int(images.rows[place]), f"loses {share}\n{name}")
                for place, share, name in zip(much, shares, names, strict=True)
            ),
        )
    ]


def colour_finding(images: Images) -> list[Finding]:
    """Grey images among those in colour."""
    grey = sum(one.colour.startswith("grey") for one in images.facts)
    if not 0 < grey < len(images.facts):
        return []
    are = "image is" if grey == 1 else "images are"
    return [
        Finding(
            "mixed_colours",
            "look" if grey > 0.02 * len(images.facts) else "note",
            f"{grey:,} {are} grey, the others are in colour: the generator learns both.",
            "data.channels=1 makes all of them grey.",
            grey,
        )
    ]


def _sides(images: Images) -> tuple[np.ndarray, np.ndarray]:
    sides = np.array([(one.width, one.height) for one in images.facts], np.int64).reshape(-1, 2)
    return sides[:, 0], sides[:, 1]


def _lost(images: Images) -> np.ndarray:
    """The share of each image that its central square leaves out."""
    widths, heights = _sides(images)
    lost: np.ndarray = 1 - np.minimum(widths, heights) / np.maximum(widths, heights)
    return lost


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def percent(share: float) -> str:
    """A share in percent: never 0% or 100% where a few are otherwise."""
    if 0 < share < 0.01:
        return "under 1%"
    return f"{min(share, 0.99) if share < 1 else 1:.0%}"


def _counted(counts: Counter[str]) -> str:
    if len(counts) == 1:
        return f"all {next(iter(counts))}"
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
