"""A data set's settings to its decoded images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from contragan.core.cache import DOWNLOADS, cache_folder
from contragan.core.errors import UserError
from contragan.core.memory import fits_in_memory
from contragan.core.words import counted
from contragan.data.base import ImageDataset, Source, Split
from contragan.data.digits import DigitsConfig
from contragan.data.file_source import FileSource
from contragan.data.layout import NO_CLASS
from contragan.data.store import Progress, find_or_build
from contragan.data.tiny_imagenet import TinyImageNetConfig
from contragan.data.torchvision_sets import (
    CIFAR10Config,
    CIFAR100Config,
    FashionMNISTConfig,
    MNISTConfig,
    STL10Config,
    SVHNConfig,
)
from contragan.data.tree import LAYOUT, FolderConfig, ImageNetConfig

MOST_NAMED = 20
"""Classes that are listed one by one."""

DataConfig = Annotated[
    DigitsConfig
    | CIFAR10Config
    | CIFAR100Config
    | MNISTConfig
    | FashionMNISTConfig
    | SVHNConfig
    | STL10Config
    | TinyImageNetConfig
    | ImageNetConfig
    | FolderConfig,
    Field(discriminator="kind"),
]


def load_dataset(
    config: DataConfig,
    split: Split,
    *,
    root: Path | None,
    cache: Path | None = None,
    needs_classes: bool = True,
    class_order: Sequence[str] | None = None,
    skip_unreadable: bool = False,
    progress: Progress | None = None,
    memory_share: float = 0.5,
) -> ImageDataset:
    """One split of a data set, decoded on the first call and found in ``cache`` on later ones.

    The pixels are held in memory where they take at most ``memory_share`` of what is available,
    and are a read-only memory map otherwise. ``root`` is the user's folder, None for sets that can
    be downloaded or are embedded. ``cache`` is ``$CONTRAGAN_CACHE`` or ``~/.cache/contragan``.
    ``needs_classes`` refuses a single class before anything is decoded. ``class_order`` names the
    classes in the order that a run has them, which is kept where the folders have another.

    Raises:
        UserError: a single class where more are needed; or the data is missing, laid out otherwise,
            unreadable, too small, or does not fit on the disk.
    """
    cache = cache_folder() if cache is None else cache.expanduser()
    try:
        source: Source = config.source(split, root, cache / DOWNLOADS)
    except OSError as error:
        raise UserError(f"cannot read the data folder: {error}") from error
    if needs_classes and len(source.class_names) < 2:
        raise _single_class(source.class_names[0], root)
    if class_order is not None and isinstance(source, FileSource):
        source = source.in_order(class_order)
    store = find_or_build(
        source,
        config.preprocess,
        cache,
        name=" ".join([config.kind, split, *([] if root is None else [str(root.resolve())])]),
        skip_unreadable=skip_unreadable,
        progress=progress,
    )
    notes = [*source.notes, *(f"{split} data: {line}" for line in store.notes)]
    found = ImageDataset(
        images=store.pixels(fits_in_memory(store.num_bytes, memory_share)),
        labels=store.labels,
        class_names=source.class_names,
        fingerprint=store.fingerprint,
        name=config.kind,
        split=split,
        notes=tuple(notes),
        warnings=store.warnings,
        unreadable=store.failures,
    )
    if split == "test" or config.images_per_class is None:
        return found
    return first_of_each_class(found, config.images_per_class)


def first_of_each_class(dataset: ImageDataset, count: int) -> ImageDataset:
    """The first ``count`` images of each class, in memory; all of a class that has fewer."""
    order = np.argsort(dataset.labels, kind="stable")
    starts = np.cumsum(dataset.class_counts) - dataset.class_counts
    place = np.arange(len(order)) - starts[dataset.labels[order]]  # of an image in its class
    rows = np.sort(order[place < count])
    if len(rows) == len(dataset):
        return dataset
    line = f"data.images_per_class: {len(rows):,} of {len(dataset):,} training images are used"
    return replace(
        dataset,
        images=dataset.images[rows],
        labels=dataset.labels[rows],
        fingerprint=hashlib.sha256(f"{dataset.fingerprint} {count}".encode()).hexdigest()[:32],
        notes=(*dataset.notes, line),
    )


def _single_class(name: str, root: Path | None) -> UserError:
    if name == NO_CLASS:
        return UserError(
            f"no class folders in {root}; expected {LAYOUT}. Images without classes train an "
            "unconditional GAN: generator.conditional=false, conditioning.kind=unconditional"
        )
    where = "the data" if root is None else str(root)
    return UserError(
        f"{where} has a single class ({name}): a class-conditional GAN needs at least two class "
        "folders"
    )


def describe_classes(dataset: ImageDataset) -> str:
    """One line with the classes and their numbers of images; the first and last of many."""
    counts = dataset.class_counts.tolist()
    each = [f"{name} {count:,}" for name, count in zip(dataset.class_names, counts, strict=True)]
    if len(each) > MOST_NAMED:
        each = [*each[: MOST_NAMED - 2], "...", each[-1]]
    few, many = min(counts), max(counts)
    spread = f", {few:,} of each" if few == many else f", {few:,} to {many:,} of each"
    spread = spread if len(counts) > MOST_NAMED else ""
    classes = counted(len(counts), "class", "classes")
    split = "training" if dataset.split == "train" else dataset.split
    return f"{len(dataset):,} {split} images of {classes}{spread}: {', '.join(each)}"
