"""Image sets from disk for evaluation: folders of images and npz files, as arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contragan.errors import UserError
from contragan.metrics.reference import ImageSet

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})

NO_CLASS = "image"
"""The only class of a set without labels."""

MOST_UNNAMED = 100_000
"""Labels that reach further without class names are taken for a mistake."""


def load_image_set(path: Path, *, progress: Callable[[int, int], None] | None = None) -> ImageSet:
    """The images of a folder or an npz file, as they are: nothing is resized or converted.

    A folder holds images, or one folder of images a class. An npz file holds ``images`` or
    ``arr_0`` (N, H, W, C) or (N, H, W) uint8, perhaps ``labels`` or ``arr_1`` (N,) and
    ``class_names``. UserError, naming the file, for anything that is not an image, or for images
    that differ in size or colour.
    """
    if path.is_dir():
        images, labels, names = _from_folder(path, progress)
    elif path.suffix == ".npz" and path.is_file():
        images, labels, names = _from_npz(path)
    elif path.exists():
        raise UserError(f"{path} is neither a folder of images nor an .npz file")
    else:
        raise UserError(f"no images at {path}: no such file or folder")
    digest = hashlib.sha256(repr((images.shape, names)).encode())
    digest.update(images.data)
    digest.update(labels.data)
    return ImageSet(images, labels, names, digest.hexdigest()[:32], path.name, "given")


Loaded = tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]


def _from_folder(path: Path, progress: Callable[[int, int], None] | None) -> Loaded:
    visible = sorted(item for item in path.iterdir() if not item.name.startswith("."))
    folders = [item for item in visible if item.is_dir()]
    if folders and len(folders) < len(visible):
        stray = next(item for item in visible if item.is_file())
        raise UserError(f"{path} holds class folders and the file {stray.name}: move it away")
    groups = [(folder.name, _files(folder)) for folder in folders] or [(NO_CLASS, _files(path))]
    for name, files in groups:
        if not files:
            where = path if not folders else path / name
            raise UserError(f"{where} holds no images")
    total = sum(len(files) for _, files in groups)
    images: NDArray[np.uint8] | None = None
    labels = np.empty(total, dtype=np.int64)
    done = 0
    for label, (_, files) in enumerate(groups):
        for file in files:
            pixels = _decode(file)
            if images is None:
                images = np.empty((total, *pixels.shape), dtype=np.uint8)
            if pixels.shape != images.shape[1:]:
                raise UserError(
                    f"{file} is {_describe(pixels)}, the images before it are "
                    f"{_describe(images[0])}: bring all to one size and colour"
                )
            images[done], labels[done] = pixels, label
            done += 1
            if progress is not None:
                progress(done, total)
    assert images is not None
    return images, labels, tuple(name for name, _ in groups)


def _files(folder: Path) -> list[Path]:
    files = sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    for file in files:
        if file.is_dir():
            raise UserError(f"{file} is a folder inside a class folder: expected images")
        if file.suffix.lower() not in SUFFIXES:
            raise UserError(f"{file} is not an image file: expected {', '.join(sorted(SUFFIXES))}")
    return files


def _decode(file: Path) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(file) as image:
            grey = image.mode in {"L", "1"}
            pixels = np.asarray(image.convert("L" if grey else "RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{file} cannot be read as an image: {error}") from None
    return pixels[..., None] if grey else pixels


def _from_npz(path: Path) -> Loaded:
    arrays = _read_npz(path)
    images = _npz_images(path, arrays["images"])
    labels = arrays.get("labels")
    if labels is None:
        return images, np.zeros(len(images), np.int64), (NO_CLASS,)
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(
            f"{path} holds {labels.dtype} labels of shape {labels.shape} for {len(images)} images: "
            f"expected integers ({len(images)},)"
        )
    if labels.min() < 0:
        raise UserError(f"{path} holds negative labels")
    names = _npz_names(path, arrays.get("class_names"), int(labels.max()) + 1)
    return images, labels.astype(np.int64), names


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays that matter, by the first of their names: ``images`` at least."""
    wanted = {"images": "arr_0", "labels": "arr_1", "class_names": "class_names"}
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it is a .npy file, with a single array")
        with archive:
            found = ", ".join(archive.files) or "nothing"
            arrays = {
                name: archive[name if name in archive else other]
                for name, other in wanted.items()
                if name in archive or other in archive
            }
    except Exception as error:  # zip, its compressions and the array format fail in a dozen ways
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} cannot be read as an npz file: {reason}") from None
    if "images" not in arrays:
        raise UserError(f"{path} holds {found}: expected an array called images or arr_0")
    return arrays


def _npz_images(path: Path, images: NDArray[Any]) -> NDArray[np.uint8]:
    expected = "expected uint8 (N, height, width, 1 or 3)"
    if images.ndim == 3:
        if images.shape[2] in {1, 3}:
            raise UserError(f"{path} holds a single image of shape {images.shape}: {expected}")
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in {1, 3}:
        raise UserError(f"{path} holds {images.dtype} images of shape {images.shape}: {expected}")
    if images.size == 0:
        raise UserError(f"{path} holds no images: its array has the shape {images.shape}")
    return np.ascontiguousarray(images)


def _npz_names(path: Path, given: NDArray[Any] | None, needed: int) -> tuple[str, ...]:
    if given is None:
        if needed > MOST_UNNAMED:
            raise UserError(
                f"{path} holds the label {needed - 1}, for {needed} classes: labels are the "
                "classes' indices, from 0"
            )
        return tuple(map(str, range(needed)))
    if given.ndim != 1 or given.dtype.kind not in "Uiu":
        raise UserError(
            f"{path} holds {given.dtype} class_names of shape {given.shape}: expected text (K,)"
        )
    if len(given) < needed:
        raise UserError(f"{path} names {len(given)} classes, its labels need {needed}")
    return tuple(given.astype(np.str_).tolist())


def _describe(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}, {'grey' if pixels.shape[2] == 1 else 'colour'}"
