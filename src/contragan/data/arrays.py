"""Labelled images that come as arrays rather than files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from contragan.data.base import Block, Labels, Pixels, Rows
from contragan.data.preprocess import Preprocess


@dataclass(frozen=True)
class ArrayRows:
    """``images`` (N, H, W) or (N, H, W, C) uint8 with ``labels`` (N,)."""

    images: Pixels
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, start: int, stop: int) -> Block:
        """Rows ``start`` to ``stop`` as they are."""
        return Block(self.images[start:stop], self.labels[start:stop])

    def restrict(self, chosen: Sequence[int], num_classes: int) -> ArrayRows:
        """Only the images of the ``chosen`` classes, relabelled by their position in it."""
        mapping = np.full(num_classes, -1, np.int64)
        mapping[list(chosen)] = np.arange(len(chosen))
        labels = mapping[self.labels]
        keep = labels >= 0
        if keep.all():
            return ArrayRows(self.images, labels)
        return ArrayRows(self.images[keep], labels[keep])


@dataclass(frozen=True)
class PreprocessedRows:
    """Arrays that are preprocessed as they are read."""

    arrays: ArrayRows
    preprocess: Preprocess

    def __len__(self) -> int:
        return len(self.arrays)

    def read(self, start: int, stop: int) -> Block:
        """Preprocess rows ``start`` to ``stop``."""
        rows = self.arrays.images[start:stop]
        if rows.ndim == 4 and rows.shape[3] == 1:
            rows = rows[..., 0]  # as Pillow wants grey
        images = [self.preprocess(Image.fromarray(image)) for image in rows]
        return Block(np.stack(images), self.arrays.labels[start:stop])


@dataclass(frozen=True)
class ArraySource:
    """Arrays that ``load`` brings into memory only when they have to be decoded."""

    class_names: tuple[str, ...]
    key: tuple[str, ...]
    load: Callable[[], ArrayRows]
    notes: tuple[str, ...] = ()

    def key_parts(self) -> Sequence[str]:
        return self.key

    def open(self, preprocess: Preprocess) -> Rows:
        return PreprocessedRows(self.load(), preprocess)
