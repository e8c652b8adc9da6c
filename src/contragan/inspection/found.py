"""The images of a data set with their classes and splits, as a training would find them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contragan.core.cache import DOWNLOADS, cache_folder
from contragan.core.errors import UserError
from contragan.data.base import Labels
from contragan.data.file_source import FileRows, FileSource
from contragan.data.files import ImageFile
from contragan.data.preprocess import Preprocess
from contragan.data.tree import FolderConfig


@dataclass(frozen=True)
class Found:
    """Image files with ``labels`` (N,) and ``is_test`` (N,), training images first.

    ``layout`` and ``notes`` say how they lie and what was left out, ``unread`` counts files by
    suffix that are not read, ``held_out`` is true where the test images are a share of each class.
    ``readings`` are how training and test images are read at their own size.
    """

    path: Path
    root: Path
    layout: str
    class_names: tuple[str, ...]
    files: Sequence[ImageFile]
    labels: Labels
    is_test: np.ndarray[tuple[int], np.dtype[np.bool_]]
    held_out: bool
    notes: tuple[str, ...]
    unread: Mapping[str, int]
    readings: tuple[Preprocess, Preprocess]

    def __len__(self) -> int:
        return len(self.files)

    def reading(self, row: int) -> Preprocess:
        """How the image of a row is read."""
        return self.readings[int(self.is_test[row])]

    def name(self, row: int) -> str:
        """A file's path below the data's folder."""
        return self.shown(self.files[row].path)

    def shown(self, path: str) -> str:
        """A path below the data's folder, or as it is."""
        inside = path.removeprefix(f"{self.root}/")
        return inside.encode(errors="backslashreplace").decode()


def find(path: Path) -> Found:
    """The images at ``path``, laid out in any way that a training reads.

    Raises:
        UserError: they are not there, or not laid out as expected.
    """
    config = FolderConfig(
        kind="folder", resolution=8, channels=3, horizontal_flip=False, fake_labels="training"
    )
    downloads = cache_folder() / DOWNLOADS
    try:
        train, test = (config.source(split, path, downloads) for split in ("train", "test"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error}") from error
    assert isinstance(train, FileSource)
    assert isinstance(test, FileSource)
    own_size = Preprocess(None, 3, enlarges=False)
    readings = []
    for source in (train, test):
        rows = source.open(own_size)
        assert isinstance(rows, FileRows)
        readings.append(rows.preprocess)
    unread = Counter(train.unread)
    if not train.held_out:
        unread += Counter(test.unread)
    return Found(
        path=path,
        root=train.root,
        layout=train.layout,
        class_names=train.class_names,
        files=[*train.files, *test.files],
        labels=np.concatenate([train.labels, test.labels]),
        is_test=np.repeat([False, True], [len(train.files), len(test.files)]),
        held_out=train.held_out,
        notes=tuple(dict.fromkeys((*train.notes, *test.notes))),
        unread=unread,
        readings=(readings[0], readings[1]),
    )
