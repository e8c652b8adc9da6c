"""What every data set has in common: its settings, where its pixels come from, what it becomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from contragan.core.config import Config
from contragan.core.resolution import ResolutionSetting, height_width
from contragan.data.preprocess import Preprocess

Split = Literal["train", "test"]
Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class ImageDataset:
    """One split of a data set, decoded.

    ``images`` (N, H, W, C) uint8 is an array in memory or a read-only memory map, ``labels`` (N,)
    are class indices into ``class_names``. ``fingerprint`` is a hash of pixels, labels and names:
    the same content has the same fingerprint wherever its files lie. ``notes`` and ``warnings`` are
    lines for the user, ``unreadable`` are files that were left out, with reasons.
    """

    images: Pixels
    labels: Labels
    class_names: tuple[str, ...]
    fingerprint: str
    name: str
    split: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def skipped(self) -> int:
        """How many unreadable images were left out."""
        return len(self.unreadable)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @cached_property
    def class_counts(self) -> Labels:
        """Number of images of each class, (K,)."""
        return np.bincount(self.labels, minlength=self.num_classes).astype(np.int64)


@dataclass(frozen=True)
class Block:
    """Some decoded rows: ``images`` (n, H, W, C), ``labels`` (n,), and the rows that failed.

    ``failures`` holds one message for each image that could not be read, or is smaller than the
    resolution, and is not in ``images``; ``remarks`` one for each that is not shown whole, such as
    "with several frames".
    """

    images: Pixels
    labels: Labels
    failures: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class Rows(Protocol):
    """Images that are decoded by row as they are read, from several threads at once."""

    def __len__(self) -> int: ...

    def read(self, start: int, stop: int) -> Block:
        """Decode rows ``start`` to ``stop``."""


class Source(Protocol):
    """One split of a data set before it is decoded.

    ``key_parts`` change whenever the content may have changed and are cheap to get; ``open`` is
    called only when nothing decoded is at hand.
    """

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    def key_parts(self) -> Iterable[str]: ...

    def open(self, preprocess: Preprocess) -> Rows: ...


class DatasetConfig(Config, ABC):
    """Settings that every data set has."""

    resolution: ResolutionSetting
    """Side of the images in pixels: their central square is cut out and resized. The built-in
    networks make 4, 5, 6 or 7 times a power of two, from 16 to 512. Or a rectangle as
    WIDTHxHEIGHT, such as 48x64: the shorter side as before, the longer one a multiple of the same
    power of two."""
    channels: Literal[1, 3]
    """3 for colour, 1 for grey."""
    horizontal_flip: bool
    """Whether training images are mirrored with probability 1/2."""
    fake_labels: Literal["training", "uniform"]
    """Labels of generated images in training: with the frequencies of the training images that are
    drawn, or uniform."""
    sampling: Literal["natural", "balanced"] = "natural"
    """How often training images are drawn: all images equally often (natural), or all classes
    (balanced), so that images of small classes come again sooner."""
    classes: tuple[str, ...] | None = None
    """Only these classes, by name or folder, in this order; null for all."""
    images_per_class: Annotated[int, Field(gt=0)] | None = None
    """Train on the first so many images of each class only; null for all. Held-out images stay."""

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if classes is not None and len(classes) < 2:
            raise ValueError("needs at least two classes, or null for all of them")
        if classes is not None and len(set(classes)) < len(classes):
            raise ValueError("names a class twice")
        return classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images."""
        return self.channels, *height_width(self.resolution)

    @property
    def preprocess(self) -> Preprocess:
        """How one image of this data set becomes an array."""
        return Preprocess(self.resolution, self.channels, enlarges=True)

    @abstractmethod
    def source(self, split: Split, root: Path | None, downloads: Path) -> Source:
        """Find the split's images under ``root``, or below ``downloads`` where it is None.

        Raises:
            UserError: they are not there, or not laid out as expected.
        """
