"""Kernel distance (KID): an unbiased squared MMD with the cubic polynomial kernel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


class KernelDistance(NamedTuple):
    """Mean and standard deviation of the estimate over subsets of ``subset_size`` images."""

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
    if features_a.ndim != 2 or features_b.ndim != 2 or features_a.shape[1] != features_b.shape[1]:
        raise ValueError(
            f"features must be (N, D) and (M, D), got {tuple(features_a.shape)} and "
            f"{tuple(features_b.shape)}"
        )
    size = min(subset_size, len(features_a), len(features_b))
    if size < 2 or subsets < 1:
        raise ValueError("the kernel distance needs at least 2 images a set and 1 subset")
    # numpy's legacy generator is frozen for good, so a seed means the same subsets in any version.
    random = np.random.RandomState(seed)
    estimates = []
    for _ in range(subsets):
        rows_a = torch.from_numpy(random.choice(len(features_a), size, replace=False))
        rows_b = torch.from_numpy(random.choice(len(features_b), size, replace=False))
        estimates.append(_squared_mmd(features_a[rows_a].float(), features_b[rows_b].float()))
    return KernelDistance(float(np.mean(estimates)), float(np.std(estimates)), size)


def _squared_mmd(a: Tensor, b: Tensor) -> float:
    """The U-statistic within each set, and the mean over all pairs across."""
    size = len(a)
    pairs = size * (size - 1)
    within = (_kernel_sum(a, a) - _diagonal_sum(a)) + (_kernel_sum(b, b) - _diagonal_sum(b))
    return within / pairs - 2 * _kernel_sum(a, b) / (size * size)


def _kernel_sum(a: Tensor, b: Tensor) -> float:
    product = (a @ b.t()).div_(a.shape[1]).add_(1)
    cube = product.square().mul_(product)
    return float(cube.sum(dtype=torch.float64))


def _diagonal_sum(a: Tensor) -> float:
    own = a.double().square().sum(1).div_(a.shape[1]).add_(1)
    return float(own.pow(3).sum())
