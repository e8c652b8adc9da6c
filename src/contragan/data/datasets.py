"""A data set's settings to its decoded images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from contragan.data.base import ImageDataset, Source, Split
from contragan.data.digits import DigitsConfig
from contragan.data.store import Progress, default_cache, find_or_build
from contragan.data.tiny_imagenet import TinyImageNetConfig
from contragan.data.torchvision_sets import (
    CIFAR10Config,
    CIFAR100Config,
    FashionMNISTConfig,
    MNISTConfig,
    STL10Config,
    SVHNConfig,
)
from contragan.data.tree import FolderConfig, ImageNetConfig
from contragan.errors import UserError
from contragan.memory import fits_in_memory

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
    skip_unreadable: bool = False,
    progress: Progress | None = None,
    memory_share: float = 0.5,
) -> ImageDataset:
    """One split of a data set, decoded on the first call and found in ``cache`` on later ones.

    The pixels are held in memory where they take at most ``memory_share`` of what is available,
    and are a read-only memory map otherwise. ``root`` is the user's folder, None for sets that can
    be downloaded or are embedded. ``cache`` is ``$CONTRAGAN_CACHE`` or ``~/.cache/contragan``.

    Raises:
        UserError: the data is missing, laid out otherwise, unreadable, too small, or does not fit
            on the disk.
    """
    cache = (cache or default_cache()).expanduser()
    try:
        source: Source = config.source(split, root, cache / "downloads")
    except OSError as error:
        raise UserError(f"cannot read the data folder: {error}") from error
    store = find_or_build(
        source, config.preprocess, cache, skip_unreadable=skip_unreadable, progress=progress
    )
    notes = list(source.notes)
    if store.failures:
        first = store.failures[0]
        notes.append(f"{len(store.failures)} unreadable images were skipped, the first is {first}")
    return ImageDataset(
        images=store.pixels(fits_in_memory(store.num_bytes, memory_share)),
        labels=store.labels,
        class_names=source.class_names,
        fingerprint=store.fingerprint,
        name=config.kind,
        split=split,
        notes=tuple(notes),
        skipped=len(store.failures),
    )
