"""Labelled image files, decoded by row: what training and evaluation read."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from contragan.core.cores import num_cores
from contragan.core.errors import UserError
from contragan.core.resolution import height_width
from contragan.data.base import Block, Labels, Pixels, Rows
from contragan.data.files import ImageFile
from contragan.data.formats import (
    MOST_PIXELS,
    image_suffixes,
    is_heif,
    may_be_deep,
    open_image,
)
from contragan.data.preprocess import Preprocess, TooSmall
from contragan.data.unreadable import BELOW, failure
from contragan.data.value_range import scan


class Unreadable(ValueError):
    """A file that is not a whole image, or a small one, with the reason."""


@dataclass(frozen=True)
class FileSource:
    """Image files with labels: a :class:`~contragan.data.base.Source`.

    ``range_files`` decide the range of values above 8 bits, where these files alone do not: the
    training images decide for the test images. ``layout`` says in words how the images lie and
    where their classes come from; ``held_out`` whether the test images are a share of each class,
    for want of others; ``unread`` counts, by suffix, the files beside them that are not read.
    """

    root: Path
    files: Sequence[ImageFile]
    labels: Labels
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    range_files: Sequence[ImageFile] | None = None
    layout: str = ""
    held_out: bool = False
    unread: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_classes(
        cls,
        root: Path,
        classes: Sequence[Sequence[ImageFile]],
        class_names: Sequence[str],
        notes: Sequence[str] = (),
        range_files: Sequence[ImageFile] | None = None,
    ) -> FileSource:
        """Files of each class, in class order."""
        files = [file for one_class in classes for file in one_class]
        labels = np.repeat(np.arange(len(classes)), [len(c) for c in classes])
        if not any(may_be_deep(file.path) for file in files):
            range_files = None
        return cls(root, files, labels, tuple(class_names), tuple(notes), range_files)

    def in_order(self, names: Sequence[str]) -> FileSource:
        """The same files with classes in the order of ``names``, and called so.

        Names match in whatever way Unicode composes them. The source as it is where they are not
        those of its classes.
        """
        own = {unicodedata.normalize("NFC", name): k for k, name in enumerate(self.class_names)}
        wanted = [unicodedata.normalize("NFC", name) for name in names]
        if sorted(own) != sorted(wanted):
            return self
        place = {name: k for k, name in enumerate(wanted)}
        labels = np.array([place[name] for name in own])[self.labels]
        order = np.argsort(labels, kind="stable")
        files = [self.files[row] for row in order.tolist()]
        return replace(self, files=files, labels=labels[order], class_names=tuple(names))

    def key_parts(self) -> Iterator[str]:
        yield str(self.root)
        for file, label in zip(self.files, self.labels.tolist(), strict=True):
            yield f"{file.path}\0{file.size}\0{file.mtime_ns}\0{label}"
        for file in self.range_files or ():
            yield f"range\0{file.path}\0{file.size}\0{file.mtime_ns}"

    def open(self, preprocess: Preprocess) -> Rows:
        if preprocess.value_range is not None:
            return FileRows(self.files, self.labels, preprocess)
        deciding = self.files if self.range_files is None else self.range_files
        ranges = scan([file.path for file in deciding], num_cores())
        if self.range_files is not None:
            # Kinds that only these files have.
            ranges = scan([file.path for file in self.files], num_cores()) | ranges
        return FileRows(self.files, self.labels, replace(preprocess, ranges=ranges))


@dataclass(frozen=True)
class FileRows:
    """The rows of a :class:`FileSource`, with all that decides their pixels."""

    files: Sequence[ImageFile]
    labels: Labels
    preprocess: Preprocess

    def __len__(self) -> int:
        return len(self.files)

    def read(self, start: int, stop: int) -> Block:
        """Decode rows; an image that cannot be read, or is too small, becomes a failure.

        Raises:
            UserError: an image is not of the size of the others.
        """
        images: list[Pixels] = []
        labels: list[int] = []
        failures: list[str] = []
        remarks: list[str] = []
        for row in range(start, stop):
            path = self.files[row].path
            try:
                image, more = decode(path, self.preprocess)
            except Unreadable as error:
                failures.append(failure(path, error))
            else:
                if images and image.shape[:2] != images[0].shape[:2]:
                    raise UserError(unlike(path, image, images[0]))
                images.append(image)
                labels.append(int(self.labels[row]))
                remarks += more
        return Block(
            self._stack(images),
            np.array(labels, np.int64),
            tuple(failures),
            tuple(remarks),
        )

    def _stack(self, images: list[Pixels]) -> Pixels:
        if not images:
            sides, channels = self.preprocess.resolution or 0, self.preprocess.channels or 3
            return np.empty((0, *height_width(sides), channels), np.uint8)
        channels = max(image.shape[2] for image in images)
        if all(image.shape[2] == channels for image in images):
            return np.stack(images)
        return np.stack([np.broadcast_to(i, (*i.shape[:2], channels)) for i in images])


def unlike(path: str, image: Pixels, first: Pixels) -> str:
    """That an image has another size than the first of its set."""
    sizes = [f"{pixels.shape[1]} x {pixels.shape[0]}" for pixels in (image, first)]
    return (
        f"{path} is {sizes[0]} pixels, the images before it are {sizes[1]}: bring all to one size, "
        "or have them cropped and resized with --resolution R"
    )


def decode(path: str, preprocess: Preprocess) -> tuple[Pixels, tuple[str, ...]]:
    """Read one image file: its pixels, and what is to be told of it.

    Raises:
        Unreadable: the file is not a whole image, or one smaller than the resolution.
        UserError: it does not fit in memory.
    """
    try:
        with opened(path) as image:
            remarks = preprocess.remarks(image)
            return preprocess(image), remarks
    except TooSmall as error:
        raise Unreadable(f"{error}, {BELOW} {preprocess.resolution}") from error


@contextmanager
def opened(path: str) -> Iterator[Image.Image]:
    """An image file, opened and not decoded; what fails within is told in the same words.

    Raises:
        Unreadable: the file is not a whole image.
        TooSmall: as the block raises it.
        UserError: it does not fit in memory.
    """
    content = b""
    try:
        # Read whole, then parsed: Pillow's own small reads cost twice the time on 32 x 32 JPEGs.
        with open(path, "rb") as file:
            content = file.read()
        if not content:
            raise Unreadable("the file is empty")
        with open_image(io.BytesIO(content), path) as image:
            yield image
    except (TooSmall, Unreadable):
        raise
    except MemoryError as error:
        raise UserError(f"{path} does not fit in memory: make it smaller") from error
    except Exception as error:  # each of Pillow's decoders fails in ways of its own
        raise Unreadable(_reason(error, path, content)) from error


def _reason(error: Exception, path: str, content: bytes) -> str:
    if isinstance(error, UnidentifiedImageError):  # Pillow's message is the address of a buffer
        if is_heif(content):
            read = ".heic" in image_suffixes()
            return "a damaged HEIC image" if read else "a HEIC image: pip install pillow-heif"
        return "not an image of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MOST_PIXELS / 1e6:,.0f} million pixels: shrink it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).replace(path, "").split()) or type(error).__name__
