"""Image sets for evaluation: folders of images and npz files, made by anything."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from contragan.core.cache import cache_folder, make_cache
from contragan.core.errors import UserError
from contragan.core.memory import available_memory, fits_in_memory
from contragan.core.resolution import Resolution, read_resolution, spelled
from contragan.core.words import readable
from contragan.data.arrays import ArrayRows, PreprocessedRows
from contragan.data.base import ImageDataset, Labels, Pixels, Rows
from contragan.data.file_source import FileRows, FileSource, unlike
from contragan.data.files import is_run_folder
from contragan.data.formats import LeftOut
from contragan.data.layout import (
    class_folders,
    innermost,
    refuse_wrong_level,
)
from contragan.data.lists import find_list, unused_list
from contragan.data.look import Look
from contragan.data.npz import read_npz
from contragan.data.place import is_data, located, short_of
from contragan.data.preprocess import BACKGROUND, Fit, Preprocess, TooSmall, known_colour
from contragan.data.store import ROWS_PER_TASK, decode_all
from contragan.data.unreadable import UnreadableImages, told
from contragan.data.value_range import Range

LAYOUT = "images, a folder of images for each class, or an .npz file"
MEMORY_SHARE = 0.5
_BYTES_PER_TASK = 2**24


@dataclass(frozen=True)
class Reading:
    """How the images of a set are read; what an evaluation states of it.

    ``resolution`` None leaves all images their size. ``background`` and ``value_range`` are those
    of :class:`~contragan.data.preprocess.Preprocess`.
    """

    resolution: Resolution | None = None
    background: str = BACKGROUND
    value_range: Range | None = None
    skip_unreadable: bool = False
    fit: Fit = "crop"
    enlarge: bool = False

    @property
    def preprocess(self) -> Preprocess:
        """For images of any channels."""
        return Preprocess(
            self.resolution,
            None,
            enlarges=self.enlarge,
            background=self.background,
            value_range=self.value_range,
            fit=self.fit,
        )

    def facts(self) -> dict[str, object]:
        """As JSON values."""
        size = "as they are"
        if self.resolution is not None:
            fit = {"crop": "centre crop", "pad": "padded", "stretch": "stretched"}[self.fit]
            size = f"{fit}, Lanczos to {spelled(self.resolution)}"
            size += ", smaller images enlarged" if self.enlarge else ""
        value_range = "auto" if self.value_range is None else list(self.value_range)
        return {"size": size, "background": self.background, "value_range": value_range}


def make_reading(
    resolution: int | str | None,
    background: str | None,
    value_range: str | None,
    skip_unreadable: bool,
    fit: Fit = "crop",
    enlarge: bool = False,
) -> Reading:
    """A reading from what a user typed, ``value_range`` as LOW,HIGH.

    Raises:
        UserError: a resolution that is neither a number nor WIDTHxHEIGHT, a background that is not
            a colour, a range that is not two rising numbers, or a way to resize without a
            resolution.
    """
    if resolution is None and (enlarge or fit != "crop"):
        raise UserError("--fit and --enlarge say how images are resized: give --resolution R too")
    try:
        size = None if resolution is None else read_resolution(str(resolution))
    except ValueError as error:
        raise UserError(f"--resolution {resolution}: {error}") from error
    colour = BACKGROUND if background is None else background
    try:
        known_colour(colour)
    except ValueError as error:
        raise UserError(f"--background {background} {error}") from error
    bounds: Range | None = None
    if value_range is not None:
        try:
            low, high = (float(part) for part in value_range.split(","))
        except ValueError:
            low = high = 0.0
        if not low < high:
            raise UserError(f"--value-range {value_range}: write LOW,HIGH, such as 0,4095")
        bounds = low, high
    return Reading(size, colour, bounds, skip_unreadable, fit, enlarge)


def load_image_set(
    path: Path,
    reading: Reading | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> ImageDataset:
    """The images of a folder or an npz file, read as training reads them, at their own size.

    A folder holds images, or a folder of images for each class, or a list of labels; the layouts
    are those of :class:`~contragan.data.tree.FolderConfig`.
    The pixels lie in memory where they take at most half of what is available, and in a temporary
    file that is gone with the process otherwise.

    Raises:
        UserError: anything that is not an image, images of unlike sizes, or a full disk.
    """
    reading = reading or Reading()
    if is_run_folder(path):
        raise UserError(
            f"{path} is a run and not a set of images: `contragan evaluate {path}` evaluates it, "
            f"and `contragan sample {path} --out FOLDER` writes images of it"
        )
    notes: tuple[str, ...] = ()
    rows: Rows
    if path.suffix == ".npz" and path.is_file():
        images, labels, names, notes = read_npz(path)
        arrays = ArrayRows(images, labels)
        if reading.resolution is None:
            rows = arrays  # as they are, without a copy
        else:
            rows = PreprocessedRows(arrays, reading.preprocess)
    else:
        source = _source(path)
        names, notes, rows = source.class_names, source.notes, source.open(reading.preprocess)
    look = Look(len(names))
    try:
        pixels, labels, failures = _decoded(rows, path, look, reading.skip_unreadable, progress)
    except TooSmall as error:
        raise UserError(
            f"{path} holds images of {error}, smaller than --resolution {reading.resolution}: "
            "lower it, or add --enlarge"
        ) from error
    digest = hashlib.sha256(repr((pixels.shape, names)).encode())
    digest.update(pixels.data)
    digest.update(labels.data)
    return ImageDataset(
        images=pixels,
        labels=labels,
        class_names=names,
        fingerprint=digest.hexdigest()[:32],
        name=path.name or path.resolve().name or str(path),
        split="given",
        notes=(*notes, *(f"{path}: {line}" for line in look.notes())),
        warnings=tuple(f"{path}: {line}" for line in look.warnings(names)),
        unreadable=tuple(failures),
    )


def in_colour(images: ImageDataset) -> ImageDataset:
    """A grey set with its values as all three colours; a set in colour as it is."""
    if images.images.shape[3] == 3:
        return images
    pixels = np.broadcast_to(images.images, (*images.images.shape[:3], 3))
    return replace(images, images=pixels, fingerprint=f"{images.fingerprint}-in-colour")


def _source(path: Path) -> FileSource:
    """The files of a folder, a list or an archive of images, with their classes."""
    if not is_data(path):
        if path.exists():
            raise UserError(
                f"{path} is neither a folder of images nor an .npz, .zip, .parquet, .csv, .tsv or "
                ".jsonl file"
            )
        raise UserError(f"no images at {path}: no such file or folder")
    place, origin = located(path, LAYOUT, cache_folder())
    root = innermost(place) if place.is_dir() else place
    left_out = LeftOut()
    listed = find_list(root, confined=origin is not None)
    if listed is None:
        refuse_wrong_level(
            root, "Give one of them, such as {first}, or lay the images out as PATH/<class>/*.png"
        )
        classes = class_folders(root, left_out)
        notes = [] if (unused := unused_list(root)) is None else [unused]
    elif listed.test is not None:
        raise UserError(
            f"{path} lists training and test images: give a list or a folder of one of them"
        )
    else:
        classes, root = listed.train, listed.root
        notes = [f"reading {listed.layout}", *listed.notes]
    line = left_out.line(path)
    if not any(classes.values()):
        raise UserError(f"{path} holds no images" + (f" ({line})" if line else ""))
    notes += [] if line is None else [line]
    if origin is not None:
        notes = [f"reading {origin}", *short_of(place, path, notes)]
    return FileSource.from_classes(root, list(classes.values()), list(classes), notes)


def _decoded(
    rows: Rows,
    path: Path,
    look: Look,
    skip_unreadable: bool,
    progress: Callable[[int, int], None] | None,
) -> tuple[Pixels, Labels, list[str]]:
    if isinstance(rows, ArrayRows):
        for start in range(0, len(rows), ROWS_PER_TASK):
            look.see(rows.read(start, start + ROWS_PER_TASK))
        return rows.images, rows.labels, []
    pixels: Pixels | None = None
    labels: list[Labels] = []
    failures: list[str] = []
    read = done = 0
    largest = max(rows.read(0, 1).images.nbytes, 1)
    for block in decode_all(rows, max(1, min(ROWS_PER_TASK, _BYTES_PER_TASK // largest))):
        failures += block.failures
        images = block.images
        if len(images):
            if pixels is None:
                pixels = _room(path, (len(rows), *images.shape[1:]))
            elif images.shape[1:3] != pixels.shape[1:3]:
                where = rows.files[read].path if isinstance(rows, FileRows) else str(path)
                raise UserError(unlike(where, images[0], pixels[0]))
            elif images.shape[3] > pixels.shape[3]:  # the first image in colour after grey ones
                grey, pixels = pixels, _room(path, (*pixels.shape[:3], images.shape[3]))
                pixels[:done] = grey[:done]
            pixels[done : done + len(images)] = images
            labels.append(block.labels)
            look.see(block)
        done += len(images)
        read += len(images) + len(block.failures)
        if progress is not None:
            progress(read, len(rows))
    if failures and not skip_unreadable:
        raise UnreadableImages(failures)
    if pixels is None:
        first = told(failures[0])
        raise UserError(f"no image of {path} can be read; the first unreadable is {first}")
    return pixels[:done], np.concatenate(labels), failures


def _room(path: Path, shape: tuple[int, ...]) -> Pixels:
    """An array of ``shape``, in memory or in a temporary file.

    Raises:
        UserError: neither holds it.
    """
    num_bytes = int(np.prod(shape, dtype=np.int64))
    if fits_in_memory(num_bytes, MEMORY_SHARE):
        return np.empty(shape, np.uint8)
    folder = cache_folder()
    make_cache(folder)
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise UserError(
            f"the {shape[0]:,} images of {path}, {shape[2]} x {shape[1]}, take "
            f"{readable(num_bytes)}, but {readable(available_memory())} of memory and "
            f"{readable(free)} of disk in {folder} are free: give --resolution R, fewer images, "
            "or another CONTRAGAN_CACHE"
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)
