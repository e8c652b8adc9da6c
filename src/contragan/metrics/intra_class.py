"""Distances within each class: they see permuted or collapsed classes where others do not.

Two of them: the Fréchet distance, which is biased upwards where a class has few images, and the
kernel distance, which is unbiased at any number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from contragan.core.words import shortened
from contragan.metrics.base import Found, Metric, Score, Sets
from contragan.metrics.frechet import frechet_distance
from contragan.metrics.kernel import squared_mmd


@dataclass(frozen=True)
class IntraClassDistance:
    """Distances of every class (K,), in the order of ``class_names``.

    ``distances`` are Fréchet distances, ``kernel_distances`` unbiased squared MMDs. ``images``
    (K, 2) counts real and generated ones; a class with fewer than two of either has NaN.
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

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values."""
        images = zip(self.class_names, self.images.tolist(), strict=True)
        return {
            "worst": dict(self.worst()),
            "per_class": _per_class(self.class_names, self.distances),
            "kernel_per_class": _per_class(self.class_names, self.kernel_distances),
            "images": {name: {"real": real, "generated": made} for name, (real, made) in images},
        }


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


class IntraClassMetric(Metric):
    """Distances between generated and reference images of equal class."""

    name = "intra_class_distance"
    needs = frozenset({"features", "classes"})
    scores = (
        Score(
            "intra_class_distance_mean",
            "intra-class distance mean",
            unit="distance",
            higher_is_better=False,
        ),
        Score(
            "intra_class_distance_worst",
            "intra-class distance worst",
            unit="distance",
            higher_is_better=False,
        ),
        Score(
            "intra_class_kernel_distance_mean",
            "intra-class kernel distance mean",
            unit="squared MMD",
            higher_is_better=False,
        ),
    )

    def compute(self, sets: Sets) -> Found:
        real, generated = sets.reference, sets.generated
        found = intra_class_distance(
            real.features, real.labels, generated.features, generated.labels, sets.class_names
        )
        few = int(found.images[found.images[:, 0] > 0, :].min())
        details, counts = {self.name: found.to_dict()}, {"intra_class_fewest": few}
        if found.missing:
            warning = (
                f"No intra-class distance: there are fewer than 2 images on a side of "
                f"{shortened(found.missing)}. Distances of the other classes are in the record."
            )
            return Found(details=details, counts=counts, warnings=(warning,))
        values = {
            "intra_class_distance_mean": found.mean,
            "intra_class_distance_worst": found.worst()[0][1],
            "intra_class_kernel_distance_mean": found.kernel_mean,
        }
        warnings: tuple[str, ...] = ()
        dim = generated.features.shape[1]
        if few <= dim:
            warnings = (
                f"As few as {few} images of a class for {dim} feature dimensions: the intra-class "
                "Fréchet distance is biased upwards, and of one distribution far from 0. Go by "
                "intra_class_kernel_distance_mean, whose estimate is unbiased.",
            )
        return Found(values, details, counts, warnings)


def _per_class(names: tuple[str, ...], values: NDArray[np.float64]) -> dict[str, float | None]:
    pairs = zip(names, values.tolist(), strict=True)
    return {name: None if np.isnan(value) else value for name, value in pairs}
