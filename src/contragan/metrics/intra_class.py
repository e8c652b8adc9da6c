"""Distances within each class: they see permuted or collapsed classes where others do not.

Two of them: the Fréchet distance, which few images a class bias upwards, and the kernel distance,
which is unbiased at any number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from contragan.metrics.frechet import frechet_distance
from contragan.metrics.kernel import squared_mmd


@dataclass(frozen=True)
class IntraClassDistance:
    """Distances of every class (K,), in the order of ``class_names``.

    ``distances`` are Fréchet distances, ``kernel_distances`` unbiased squared MMDs. ``images``
    (K, 2) counts real and generated ones; a class with fewer than two on a side has NaN.
    """

    distances: NDArray[np.float64]
    kernel_distances: NDArray[np.float64]
    images: NDArray[np.int64]
    class_names: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Mean Fréchet distance, each real class counting once; NaN where one has none."""
        return float(self.distances[self._real].mean())

    @property
    def kernel_mean(self) -> float:
        """Mean kernel distance, each real class counting once; NaN where one has none."""
        return float(self.kernel_distances[self._real].mean())

    @property
    def missing(self) -> tuple[str, ...]:
        """Classes with real images, but without a distance."""
        rows = np.flatnonzero(self._real & np.isnan(self.distances))
        return tuple(self.class_names[row] for row in rows)

    @property
    def _real(self) -> NDArray[np.bool_]:
        return self.images[:, 0] > 0

    def worst(self, count: int = 5) -> list[tuple[str, float]]:
        """The classes with the largest Fréchet distances, the worst first."""
        order = np.argsort(-self.distances, kind="stable")  # NaN come last
        known = [index for index in order if not np.isnan(self.distances[index])]
        return [(self.class_names[index], float(self.distances[index])) for index in known[:count]]


def intra_class_distance(
    real: np.ndarray,
    real_labels: NDArray[np.int64],
    generated: np.ndarray,
    generated_labels: NDArray[np.int64],
    class_names: Sequence[str],
) -> IntraClassDistance:
    """Distances between features (N, D) and (M, D) of equal labels."""
    distances = np.full((len(class_names), 2), np.nan)
    images = np.stack(
        [
            np.bincount(labels, minlength=len(class_names))
            for labels in (real_labels, generated_labels)
        ],
        axis=1,
    )
    for label in np.flatnonzero(images.min(1) >= 2):
        first = torch.from_numpy(np.array(real[real_labels == label]))
        second = torch.from_numpy(np.array(generated[generated_labels == label]))
        distances[label] = frechet_distance(first, second), squared_mmd(first, second)
    return IntraClassDistance(distances[:, 0], distances[:, 1], images, tuple(class_names))
