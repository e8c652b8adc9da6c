"""Test images where a user has none apart: a share of each class, always the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from contragan.core.errors import UserError
from contragan.core.words import counted, shortened
from contragan.data.base import Split
from contragan.data.file_source import FileSource
from contragan.data.files import ImageFile


def held_out_source(
    root: Path,
    classes: Sequence[list[ImageFile]],
    class_names: Sequence[str],
    split: Split,
    test_fraction: float,
    notes: Sequence[str],
    missing: str = "test folder",
) -> FileSource:
    """A split of classes of which a share is held out for testing, always the same.

    Raises:
        UserError: no class has two images.
    """
    shares = [_share(files, test_fraction, split) for files in classes]
    every = [file for files in classes for file in files]
    if len(every) == len(classes):
        raise UserError(
            f"every class in {root} has a single image, so none can be held out for testing: add "
            "images, or give the test images in a folder PATH/test/<class>/"
        )
    single = [name for name, files in zip(class_names, classes, strict=True) if len(files) == 1]
    note = f"no {missing} in {root}: {test_fraction:.0%} of each class is held out for testing"
    if single:
        have = counted(len(single), "class has", "classes have")
        note += f"; {have} a single image, which trains and is not tested: {shortened(single, 5)}"
    source = FileSource.from_classes(root, shares, class_names, [*notes, note], every)
    return replace(source, held_out=True)


def _share(files: list[ImageFile], test_fraction: float, split: Split) -> list[ImageFile]:
    is_test = held_out_mask(len(files), test_fraction)
    return [file for file, test in zip(files, is_test, strict=True) if test == (split == "test")]


def held_out_mask(count: int, test_fraction: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of ``count`` images are held out: always the same, never all, at least one of two."""
    num_test = min(max(round(count * test_fraction), 1), count - 1)
    mask = np.zeros(count, np.bool_)
    # Shuffled: neighbours in a folder are often frames of one scene or strokes of one hand.
    mask[np.random.Generator(np.random.Philox(key=count)).permutation(count)[:num_test]] = True
    return mask
