"""Images, labels and class names from an npz file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contragan.core.errors import UserError
from contragan.data.layout import NO_CLASS

MOST_UNNAMED = 100_000
"""Labels that reach further without class names are taken for a mistake."""

Loaded = tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...], tuple[str, ...]]


def read_npz(path: Path) -> Loaded:
    """The images, labels and class names of an npz file, and lines for the user.

    It holds ``images`` or ``arr_0`` (N, H, W, C) or (N, H, W) uint8, perhaps ``labels`` or
    ``arr_1`` (N,) and ``class_names``.

    Raises:
        UserError: anything else.
    """
    arrays = _read_arrays(path)
    images = _npz_images(path, arrays["images"])
    labels = arrays.get("labels")
    if labels is None:
        unused = f"{path}: its class_names are not used, for it holds no labels"
        notes = (unused,) if "class_names" in arrays else ()
        return images, np.zeros(len(images), np.int64), (NO_CLASS,), notes
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(
            f"{path} holds {labels.dtype} labels of shape {labels.shape} for {len(images)} images: "
            f"expected integers ({len(images)},)"
        )
    if labels.min() < 0:
        raise UserError(f"{path} holds negative labels")
    names = _npz_names(path, arrays.get("class_names"), int(labels.max()) + 1)
    return images, labels.astype(np.int64), names, ()


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays that matter, by the first of their names: ``images`` at least."""
    wanted = {"images": "arr_0", "labels": "arr_1", "class_names": "class_names"}
    try:
        with open(path, "rb") as file:  # NumPy leaves a damaged archive open
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is a .npy file, with a single array")
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
