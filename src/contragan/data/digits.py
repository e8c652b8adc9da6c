"""scikit-learn's handwritten digits, which need no download."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from contragan.core.errors import UserError
from contragan.data.arrays import ArrayRows, ArraySource
from contragan.data.base import DatasetConfig, Source, Split
from contragan.data.classes import select_classes
from contragan.data.held_out import held_out_mask

TEST_FRACTION = 0.2
NAMES = tuple("0123456789")


class DigitsConfig(DatasetConfig):
    """1,797 digits of 8 x 8 pixels, enlarged (bicubic) to the resolution.

    A fifth of each class, always the same, is the test split.
    """

    kind: Literal["digits"]

    def source(self, split: Split, root: Path | None, downloads: Path) -> Source:
        if root is not None:
            raise UserError(
                f"the digits come with scikit-learn and are not read from {root}: leave out --data"
            )
        chosen = select_classes(self.classes, NAMES, NAMES, "the digits")

        def load() -> ArrayRows:
            return _load(split).restrict(chosen, len(NAMES))

        names = tuple(NAMES[i] for i in chosen)
        return ArraySource(names, ("digits", split, *names), load)


def _load(split: Split) -> ArrayRows:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    is_test = np.zeros(len(labels), np.bool_)
    for label in range(len(NAMES)):
        rows = np.flatnonzero(labels == label)
        is_test[rows] = held_out_mask(len(rows), TEST_FRACTION)
    keep = is_test if split == "test" else ~is_test
    # Grey values are counts from 0 to 16.
    pixels = np.rint(images[keep].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return ArrayRows(pixels, labels[keep].astype(np.int64))
