"""The training images that generated ones are most like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F

from contragan.core.cache import DOWNLOADS, cache_folder
from contragan.core.errors import UserError
from contragan.core.memory import fits_in_memory
from contragan.core.pair_pictures import ClosestPairs
from contragan.data import ImageDataset
from contragan.data.datasets import load_dataset
from contragan.evaluation.run import unlike_trained
from contragan.metrics.memorisation import THUMBNAIL
from contragan.metrics.precision_recall import nearest_neighbours
from contragan.runs.run import Run

MOST_PAIRS = 16

CHUNK = 4096

MEASURED = f"between pictures shrunk to {THUMBNAIL} pixels, in grey levels"


class TrainingImages:
    """A run's training images, read when they are first asked for; ``notes`` say what differs."""

    def __init__(self, run: Run, data: Path | None) -> None:
        self.run, self.data = run, data
        self.notes: tuple[str, ...] = ()
        self._found: tuple[ImageDataset, Tensor] | None = None

    def nearest(
        self,
        images: UInt8[Tensor, "N C H W"],
        names: tuple[str, ...],
        progress: Callable[[int, int], None] | None = None,
    ) -> ClosestPairs:
        """Of the generated images those that are nearest to a training image, nearest first.

        Raises:
            UserError: the training images cannot be found or read, or fill the memory.
        """
        dataset, points = self._loaded(progress)
        distances, indices = nearest_neighbours(_small(images), points)
        order = distances.argsort()[:MOST_PAIRS]
        rows = indices[order].numpy()
        labelled = self.run.recipe.generator.conditional
        own = dataset.class_names
        return ClosestPairs(
            images[order].numpy(),
            np.stack([dataset.images[row] for row in rows]).transpose(0, 3, 1, 2),
            (distances[order] / points.shape[1] ** 0.5).numpy(),
            tuple(names[index] for index in order.tolist()) if labelled else None,
            tuple(own[int(dataset.labels[row])] for row in rows) if labelled else None,
        )

    def _loaded(self, progress: Callable[[int, int], None] | None) -> tuple[ImageDataset, Tensor]:
        if self._found is None:
            dataset = self._read(progress)
            size = (*dataset.images.shape[1:3], dataset.images.shape[3])
            each = 4 * size[2] * min(size[0], THUMBNAIL) * min(size[1], THUMBNAIL)
            if not fits_in_memory(len(dataset) * each, 0.5):
                raise UserError(f"{len(dataset):,} training images do not fit in memory")
            chunks = range(0, len(dataset), CHUNK)
            rows = (np.ascontiguousarray(dataset.images[at : at + CHUNK]) for at in chunks)
            points = [_small(torch.from_numpy(part).permute(0, 3, 1, 2)) for part in rows]
            self._found = dataset, torch.cat(points)
        return self._found

    def _read(self, progress: Callable[[int, int], None] | None) -> ImageDataset:
        run = self.run
        root = self.data or run.dataset.folder
        if root is None and run.recipe.data.kind != "digits":
            root = cache_folder() / DOWNLOADS  # where it lies if it was downloaded; never fetched
        dataset = load_dataset(
            run.recipe.data,
            "train",
            root=root,
            needs_classes=run.recipe.needs_classes,
            class_order=run.dataset.known_names,
            progress=progress,
        )
        if (different := unlike_trained(run, dataset)) is not None:
            self.notes = (f"{different[0].upper()}{different[1:]}.",)
        return dataset


def _small(images: UInt8[Tensor, "N C H W"]) -> Tensor:
    """Pictures (N, D) of at most ``THUMBNAIL`` pixels a side, in grey levels."""
    height, width = images.shape[2:]
    size = min(height, THUMBNAIL), min(width, THUMBNAIL)
    return F.adaptive_avg_pool2d(images.float(), size).flatten(1)
