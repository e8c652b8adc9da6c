"""The training and the test images of a data set, with what there is to say of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from contragan.core.cache import cache_folder
from contragan.core.console import note, progress_bar
from contragan.data.base import ImageDataset, Split
from contragan.data.classes import check_classes
from contragan.data.datasets import DataConfig, load_dataset
from contragan.data.place import is_packed, located
from contragan.data.tree import LAYOUT, FolderConfig
from contragan.data.unreadable import UnreadableImages, say_unreadable


def load_splits(
    config: DataConfig,
    root: Path | None,
    console: Console,
    *,
    skip_unreadable: bool = False,
    needs_classes: bool = True,
    class_order: Sequence[str] | None = None,
    report: Path | None = None,
) -> tuple[ImageDataset, ImageDataset]:
    """The training and the test images, showing progress where they must be decoded first.

    Says what of the data was left out or read otherwise than it may be meant. ``class_order`` are
    those of a run that goes on, or is evaluated: the classes get its order. All unreadable images
    of both splits are named together, and written to ``report``.

    Raises:
        UserError: the data cannot be read, or its classes are others, or in another order.
    """

    def load(split: Split) -> ImageDataset:
        with progress_bar(console) as progress:
            return load_dataset(
                config,
                split,
                root=root,
                skip_unreadable=skip_unreadable,
                needs_classes=needs_classes,
                class_order=class_order,
                progress=partial(progress, f"decoding {split} images"),
            )

    if isinstance(config, FolderConfig):
        unpack(root, console)
    found = load_all([partial(load, "train"), partial(load, "test")], console, report)
    if class_order is not None:
        check_classes(class_order, found[0].class_names)
    say_of_data(found, console)
    return found[0], found[1]


def unpack(path: Path | None, console: Console) -> None:
    """Unpack what has to be before it is read, a zip or Parquet files, showing progress.

    Raises:
        UserError: as :func:`~contragan.data.place.located` does.
    """
    if path is None or not is_packed(path):
        return
    with progress_bar(console) as progress:
        located(path, LAYOUT, cache_folder(), partial(progress, f"unpacking {path.name}"))


def load_all(
    loaders: Sequence[Callable[[], ImageDataset]], console: Console, report: Path | None
) -> list[ImageDataset]:
    """What each of the loaders loads; files that cannot be used are told together.

    Raises:
        UnreadableImages: those of all loaders, where they are not to be skipped.
        UserError: as the loaders do.
    """
    found: list[ImageDataset] = []
    failures: dict[str, None] = {}
    for load in loaders:
        try:
            found.append(load())
        except UnreadableImages as error:
            failures |= dict.fromkeys(error.failures)
    if len(found) < len(loaders):
        say_unreadable(failures, console, report, skipped=False)
        raise UnreadableImages(list(failures))
    left_out = [failure for images in found for failure in images.unreadable]
    say_unreadable(left_out, console, report, skipped=True)
    return found


def say_of_data(sets: Sequence[ImageDataset], console: Console) -> None:
    """Print what sets of images have to tell, each line once."""
    for line in dict.fromkeys(line for images in sets for line in images.notes):
        note(console, f"note: {line}")
    for line in dict.fromkeys(line for images in sets for line in images.warnings):
        note(console, f"warning: {line}")
