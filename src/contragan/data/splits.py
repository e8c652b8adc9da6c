"""The training and the test images of a data set, with what there is to say of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from contragan.core.console import note, progress_bar
from contragan.data.base import ImageDataset
from contragan.data.classes import check_classes
from contragan.data.datasets import DataConfig, load_dataset


def load_splits(
    config: DataConfig,
    root: Path | None,
    console: Console,
    *,
    skip_unreadable: bool = False,
    needs_classes: bool = True,
    class_order: Sequence[str] | None = None,
) -> tuple[ImageDataset, ImageDataset]:
    """The training and the test images, showing progress where they must be decoded first.

    Says what of the data was left out or read otherwise than it may be meant. ``class_order`` are
    those of a run that goes on, or is evaluated: the classes get its order.

    Raises:
        UserError: the data cannot be read, or its classes are others, or in another order.
    """
    found = []
    for split in ("train", "test"):
        with progress_bar(console) as progress:
            found.append(
                load_dataset(
                    config,
                    split,
                    root=root,
                    skip_unreadable=skip_unreadable,
                    needs_classes=needs_classes,
                    class_order=class_order,
                    progress=partial(progress, f"decoding {split} images"),
                )
            )
    if class_order is not None:
        check_classes(class_order, found[0].class_names)
    say_of_data(found, console)
    return found[0], found[1]


def say_of_data(sets: Sequence[ImageDataset], console: Console) -> None:
    """Print what sets of images have to tell, each line once."""
    for line in dict.fromkeys(line for images in sets for line in images.notes):
        note(console, f"note: {line}")
    for line in dict.fromkeys(line for images in sets for line in images.warnings):
        note(console, f"warning: {line}")
