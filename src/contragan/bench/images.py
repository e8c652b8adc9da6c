"""The images of a measurement: a recipe's own, or noise of their shape."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from contragan.core.console import progress_bar
from contragan.data import DataConfig, ImageDataset, load_dataset
from contragan.data.splits import load_all, say_of_data
from contragan.recipes.schema import Recipe

SYNTHETIC_BATCHES = 4


def training_images(
    recipe: Recipe,
    root: Path,
    console: Console,
    *,
    skip_unreadable: bool = False,
    report: Path | None = None,
) -> ImageDataset:
    """The training images in ``root``, as a training of the recipe reads them.

    Raises:
        UserError: the data cannot be read.
    """

    def load() -> ImageDataset:
        with progress_bar(console) as progress:
            return load_dataset(
                recipe.data,
                "train",
                root=root,
                needs_classes=recipe.needs_classes,
                skip_unreadable=skip_unreadable,
                progress=partial(progress, "decoding train images"),
            )

    (images,) = load_all([load], console, report)
    say_of_data([images], console)
    return images


def synthetic_count(recipe: Recipe) -> int:
    """How many images of noise a measurement takes."""
    return SYNTHETIC_BATCHES * recipe.training.batch_size


def synthetic(recipe: Recipe, num_classes: int) -> ImageDataset:
    """Noise of the recipe's shape, every class equally often: a few batches, in memory."""
    data: DataConfig = recipe.data
    random = np.random.default_rng(0)
    count = max(synthetic_count(recipe), num_classes)
    channels, height, width = data.image_shape
    images = random.integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    names = tuple(str(index) for index in range(num_classes))
    labels = np.arange(count, dtype=np.int64) % num_classes
    return ImageDataset(images, labels, names, "synthetic", "synthetic images", "train")
