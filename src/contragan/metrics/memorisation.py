"""Does a generator copy its training images? Distances to the nearest of them, in feature space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from contragan.metrics.precision_recall import nearest_neighbours


@dataclass(frozen=True)
class Memorisation:
    """Generated images beside the training images closest to them.

    ``distances`` and ``nearest`` (N,) hold each generated image's distance to, and the index of,
    its nearest training image. ``baseline`` (M,) are the distances of training images to their
    nearest *other* training image: what a sample of the data that is no copy looks like.
    """

    distances: NDArray[np.float32]
    nearest: NDArray[np.int64]
    baseline: NDArray[np.float32]

    @property
    def ratio(self) -> float:
        """Median distance of generated images over that of training images.

        About 1 for fresh samples of the data, near 0 for copies, above 1 for poor images.
        """
        return float(np.median(self.distances) / max(float(np.median(self.baseline)), 1e-12))

    @property
    def copied_share(self) -> float:
        """Share of generated images closer to a training image than 99% of training images are."""
        return float((self.distances < np.quantile(self.baseline, 0.01)).mean())

    def closest(self, count: int) -> NDArray[np.int64]:
        """Indices of the generated images nearest to a training image, the nearest first."""
        return np.argsort(self.distances, kind="stable")[:count].astype(np.int64)


def find_memorised(
    generated: np.ndarray, training: np.ndarray, *, baseline_images: int = 10_000, seed: int = 0
) -> Memorisation:
    """Compares generated features (N, D) with training features (M, D).

    ValueError for fewer than two training images.
    """
    if len(training) < 2:
        raise ValueError(f"{len(training)} training images")
    points = torch.from_numpy(np.array(training, dtype=np.float32))
    distances, nearest = nearest_neighbours(torch.from_numpy(np.array(generated)), points)
    size = min(len(points), baseline_images)
    picked = np.random.default_rng(seed).choice(len(points), size, replace=False)
    own = torch.from_numpy(picked)
    baseline, _ = nearest_neighbours(points[own], points, itself=own)
    return Memorisation(distances.numpy(), nearest.numpy(), baseline.numpy())
