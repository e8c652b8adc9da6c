"""Labelled image files: found in class folders, decoded by row."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

import numpy as np
from PIL import Image, UnidentifiedImageError

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
    """Names of the visible folders in ``folder``, sorted; none where it does not exist.

    Raises:
        UserError: a name that is not UTF-8, which no file of a run could hold.
    """
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = sorted(
            e.name for e in entries if not e.name.startswith((".", "__MACOSX")) and e.is_dir()
        )
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise UserError(
                f"the name of the folder {os.fsencode(name)!r} in {folder} is not UTF-8: rename it"
            ) from error
    return names


def images_in(folder: Path) -> list[ImageFile]:
    """All image files in ``folder`` and the folders in it, sorted by path.

    Raises:
        UserError: a link to a folder that it lies in.
    """
    return sorted(_walk(str(folder), ()), key=lambda file: file.path)


def _walk(folder: str, above: tuple[os.stat_result, ...]) -> Iterator[ImageFile]:
    here = os.stat(folder)
    if any(os.path.samestat(here, other) for other in above):
        raise UserError(f"{folder} is a link to a folder that it lies in: remove it")
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__MACOSX")):
                continue
            try:
                stat = entry.stat()
            except OSError:  # a link to nothing or to itself: unreadable, as a damaged image is
                if is_image_name(entry.name):
                    yield ImageFile(entry.path, 0, 0)
                continue
            if S_ISDIR(stat.st_mode):
                yield from _walk(entry.path, (*above, here))
            elif is_image_name(entry.name):
                yield ImageFile(entry.path, stat.st_size, stat.st_mtime_ns)


def require_folder(root: Path | None, layout: str) -> Path:
    """``root`` as an absolute path.

    Raises:
        UserError: no root given, it does not exist, it is no folder, or it is empty.
    """
    if root is None:
        raise UserError(f"this data set needs --data PATH; expected {layout}")
    if not root.exists():
        raise UserError(
            f"data folder {root} does not exist: say where it is with --data PATH; "
            f"expected {layout}"
        )
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
                failures.append(f"{path} ({_reason(error, path)})")
            else:
                labels.append(int(self.labels[row]))
        side, channels = preprocess.resolution, preprocess.channels
        stacked = np.stack(images) if images else np.empty((0, side, side, channels), np.uint8)
        return Block(stacked, np.array(labels, np.int64), tuple(failures))


def _reason(error: Exception, path: str) -> str:
    if isinstance(error, UnidentifiedImageError):  # Pillow's message is the address of a buffer
        return "not an image of a known format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).replace(path, "").split()) or type(error).__name__


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
