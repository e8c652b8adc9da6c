"""Kernel distance: an unbiased squared MMD with the cubic polynomial kernel.

Of Inception's features it is the KID.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from contragan.metrics.base import Found, Metric, Score, Sets


class KernelDistance(NamedTuple):
    """Mean and standard deviation of the estimate over subsets of ``subset_size`` images.

    ``std`` is NaN where a subset takes more than half of a set: subsets then share so many images
    that they differ less than independent ones would, down to not at all.
    """

    mean: float
    std: float
    subset_size: int


def kernel_distance(
    features_a: Float[Tensor, "N D"],
    features_b: Float[Tensor, "M D"],
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
) -> KernelDistance:
    """Kernel distance with ``k(x, y) = (x . y / D + 1)^3``, over random subsets of equal size.

    Unbiased at any number of images, so it may be slightly negative. The subset size falls to the
    smaller set where that has fewer images. ValueError on unequal widths or fewer than two rows.

    Source: Binkowski et al. 2018, Sec. 4.
    """
    _check_widths(features_a, features_b)
    smaller = min(len(features_a), len(features_b))
    size = min(subset_size, smaller)
    if size < 2 or subsets < 1:
        raise ValueError("the kernel distance needs at least 2 images per set and 1 subset")
    # numpy's legacy generator is frozen for good, so a seed means the same subsets in any version.
    random = np.random.RandomState(seed)
    estimates = []
    for _ in range(subsets):
        rows_a = torch.from_numpy(random.choice(len(features_a), size, replace=False))
        rows_b = torch.from_numpy(random.choice(len(features_b), size, replace=False))
        estimates.append(squared_mmd(features_a[rows_a], features_b[rows_b]))
    deviation = float(np.std(estimates)) if 2 * size <= smaller else math.nan
    return KernelDistance(float(np.mean(estimates)), deviation, size)


def squared_mmd(features_a: Float[Tensor, "N D"], features_b: Float[Tensor, "M D"]) -> float:
    """The kernel distance of two whole sets: the U-statistic within each, the mean across.

    Unbiased at any number of images. ValueError on unequal widths or fewer than two rows.
    """
    _check_widths(features_a, features_b)
    if min(len(features_a), len(features_b)) < 2:
        raise ValueError("the kernel distance needs at least 2 images per set")
    a, b = features_a.float(), features_b.float()
    within = sum(
        (_kernel_sum(rows, rows) - _diagonal_sum(rows)) / (len(rows) * (len(rows) - 1))
        for rows in (a, b)
    )
    return within - 2 * _kernel_sum(a, b) / (len(a) * len(b))


def _check_widths(a: Tensor, b: Tensor) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(
            f"features must be (N, D) and (M, D), got {tuple(a.shape)}, {tuple(b.shape)}"
        )


ROWS = 4096
"""Rows of the first set whose kernel values are in memory at once."""


def _kernel_sum(a: Tensor, b: Tensor) -> float:
    total = 0.0
    for rows in torch.split(a, ROWS):
        product = (rows @ b.t()).div_(a.shape[1]).add_(1)
        cube = product.square().mul_(product)
        total += float(cube.sum(dtype=torch.float64))
    return total


def _diagonal_sum(a: Tensor) -> float:
    own = a.double().square().sum(1).div_(a.shape[1]).add_(1)
    return float(own.pow(3).sum())


class KernelMetric(Metric):
    """The kernel distance between generated images and the reference set."""

    name = "kernel_distance"
    needs = frozenset({"features"})
    scores = (
        Score(
            "kernel_distance_mean",
            "kernel distance mean",
            unit="squared MMD",
            higher_is_better=False,
            published_title="KID mean",
        ),
        Score(
            "kernel_distance_std",
            "kernel distance std",
            unit="squared MMD",
            published_title="KID std",
        ),
    )

    def compute(self, sets: Sets) -> Found:
        found = kernel_distance(
            torch.from_numpy(np.array(sets.reference.features)),
            torch.from_numpy(sets.generated.features),
            subsets=sets.settings.kernel_subsets,
            subset_size=sets.settings.kernel_subset_size,
        )
        values, counts = {"kernel_distance_mean": found.mean}, {"kernel_subset": found.subset_size}
        if not math.isnan(found.std):
            return Found(values | {"kernel_distance_std": found.std}, counts=counts)
        few = min(len(sets.generated), len(sets.reference))
        warning = (
            f"The kernel distance has no deviation: subsets of {found.subset_size} are more than "
            f"half of {few} images, so that they hardly differ. Use at least "
            f"{2 * found.subset_size} images per set, or a smaller kernel_subset_size."
        )
        return Found(values, counts=counts, warnings=(warning,))
