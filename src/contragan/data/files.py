"""Labelled image files: found in class folders, decoded by row."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from contragan.data.base import Block, Labels, Pixels, Rows
from contragan.data.preprocess import Preprocess, TooSmall
from contragan.errors import UserError

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)

# What Pillow raises on files that are not whole images.
UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file below some root, with the size and time that say whether it changed."""

    path: str
    size: int
    mtime_ns: int


def is_image_name(name: str) -> bool:
    """Whether a file's name says that it is an image, and not a hidden or a system file."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS


def subfolders(folder: Path) -> list[str]:
    """Names of the visible folders in ``folder``, sorted; none where it does not exist."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(
            e.name for e in entries if not e.name.startswith((".", "__MACOSX")) and e.is_dir()
        )


def images_in(folder: Path) -> list[ImageFile]:
    """All image files in ``folder`` and the folders in it, sorted by path."""
    return sorted(_walk(str(folder)), key=lambda file: file.path)


def _walk(folder: str) -> Iterator[ImageFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__MACOSX")):
                continue
            if entry.is_dir():
                yield from _walk(entry.path)
            elif is_image_name(entry.name):
                stat = entry.stat()
                yield ImageFile(entry.path, stat.st_size, stat.st_mtime_ns)


def require_folder(root: Path | None, layout: str) -> Path:
    """``root`` as an absolute path.

    Raises:
        UserError: no root given, it does not exist, it is no folder, or it is empty.
    """
    if root is None:
        raise UserError(f"this data set needs --data PATH; expected {layout}")
    root = Path(root).expanduser()
    if not root.exists():
        raise UserError(f"data folder {root} does not exist; expected {layout}")
    if not root.is_dir():
        raise UserError(f"data path {root} is a file, not a folder; expected {layout}")
    if not any(not name.startswith(".") for name in os.listdir(root)):
        raise UserError(f"data folder {root} is empty; expected {layout}")
    return root.resolve()


@dataclass(frozen=True)
class FileSource:
    """Image files with labels: a :class:`~contragan.data.base.Source`, and its own rows."""

    root: Path
    files: Sequence[ImageFile]
    labels: Labels
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def from_classes(
        cls,
        root: Path,
        classes: Sequence[Sequence[ImageFile]],
        class_names: Sequence[str],
        notes: Sequence[str] = (),
    ) -> FileSource:
        """Files of each class, in class order."""
        files = [file for one_class in classes for file in one_class]
        labels = np.repeat(np.arange(len(classes)), [len(c) for c in classes])
        return cls(root, files, labels, tuple(class_names), tuple(notes))

    def key_parts(self) -> Iterator[str]:
        yield str(self.root)
        for file, label in zip(self.files, self.labels.tolist(), strict=True):
            yield f"{file.path}\0{file.size}\0{file.mtime_ns}\0{label}"

    def open(self) -> Rows:
        return self

    def __len__(self) -> int:
        return len(self.files)

    def read(self, start: int, stop: int, preprocess: Preprocess) -> Block:
        """Decode rows; an image that cannot be read becomes a failure.

        Raises:
            UserError: an image is smaller than the resolution.
        """
        images: list[Pixels] = []
        labels: list[int] = []
        failures: list[str] = []
        for row in range(start, stop):
            path = self.files[row].path
            try:
                images.append(decode(path, preprocess))
            except TooSmall as error:
                raise UserError(
                    f"{path} is {error}, smaller than data.resolution {preprocess.resolution}: "
                    "lower data.resolution, or remove or enlarge the small images"
                ) from error
            except UNREADABLE as error:
                reason = " ".join(str(error).replace(str(path), "").split())
                failures.append(f"{path} ({reason or type(error).__name__})")
            else:
                labels.append(int(self.labels[row]))
        side, channels = preprocess.resolution, preprocess.channels
        stacked = np.stack(images) if images else np.empty((0, side, side, channels), np.uint8)
        return Block(stacked, np.array(labels, np.int64), tuple(failures))


def decode(path: str, preprocess: Preprocess) -> Pixels:
    """Read one image file.

    Raises:
        one of UNREADABLE: the file is not a whole image.
        TooSmall: the image is smaller than the resolution.
    """
    # Read whole, then parsed: Pillow's own small reads cost twice the time on 32 x 32 JPEGs.
    with open(path, "rb") as file:
        content = file.read()
    if not content:
        raise OSError("the file is empty")
    with Image.open(io.BytesIO(content)) as image:
        return preprocess(image)
