"""A look at decoded images: what was not shown whole, and classes that show next to nothing."""

from __future__ import annotations

from collections import Counter

import numpy as np

from contragan.data.base import Block

FEWEST_LEVELS = 6.0
"""Standard deviation of an image's pixels below which it shows next to nothing.

Evenly spread values of 0 to 15, which 12-bit values in 16-bit files become, have 4.6.
"""

_PIXELS = 200
"""Pixels of an image that are looked at: enough for a deviation, and no time beside decoding."""


class Look:
    """Gathers what is to be told of a data set while its images are decoded."""

    def __init__(self, num_classes: int) -> None:
        self._remarks: Counter[str] = Counter()
        self._deviations: list[list[float]] = [[] for _ in range(num_classes)]
        self._least = np.full(num_classes, 255.0)
        self._greatest = np.zeros(num_classes)

    def see(self, block: Block) -> None:
        """Take in some decoded images."""
        self._remarks.update(block.remarks)
        if not len(block.images):
            return
        pixels = block.images.reshape(len(block.images), -1, block.images.shape[3])
        # An odd step, so that the pixels looked at lie in all columns.
        chosen = pixels[:, :: pixels.shape[1] // _PIXELS | 1].transpose(0, 2, 1).astype(np.float32)
        squares = np.einsum("nkp,nkp->nk", chosen, chosen) / chosen.shape[2]
        deviations = np.sqrt(np.maximum(squares - chosen.mean(2) ** 2, 0).max(1))
        for label, deviation in zip(block.labels.tolist(), deviations.tolist(), strict=True):
            self._deviations[label].append(deviation)
        flat = chosen.reshape(len(chosen), -1)
        np.minimum.at(self._least, block.labels, flat.min(1))
        np.maximum.at(self._greatest, block.labels, flat.max(1))

    def notes(self) -> list[str]:
        """One line for each kind of image that is not shown whole."""
        return [
            f"{count:,} image{'' if count == 1 else 's'} {remark}"
            for remark, count in self._remarks.items()
        ]

    def warnings(self, class_names: tuple[str, ...]) -> list[str]:
        """One line that names the classes whose images show next to nothing."""
        found = [
            f"{name} ({self._least[k]:.0f} to {self._greatest[k]:.0f})"
            for k, name in enumerate(class_names)
            if self._deviations[k] and float(np.median(self._deviations[k])) < FEWEST_LEVELS
        ]
        if not found:
            return []
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        return [
            f"most images of class {', '.join(found[:5])}{more} are almost one colour: look at "
            "them; data.value_range=[LOW,HIGH] spreads values above 8 bits, and data.background "
            "is what transparent images lie over"
        ]
