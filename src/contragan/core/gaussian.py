"""Gaussians fitted to features: what a feature pass leaves, and a Fréchet distance compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from contragan.core.devices import float64_device

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Gaussian:
    """Mean (D,) and unbiased covariance (D, D) in float64 of ``count`` feature vectors."""

    count: int
    mean: Array
    covariance: Array


@dataclass(frozen=True)
class RowGaussian:
    """The Gaussian fitted to ``rows`` (N, D), kept as they are; ``mean`` (D,) is in float64.

    N rows of D dimensions take less room than a covariance where N is at most D.
    """

    rows: NDArray[Any]
    mean: Array

    @property
    def count(self) -> int:
        """Number of feature vectors."""
        return len(self.rows)


FittedGaussian = Gaussian | RowGaussian


def fit_gaussian(rows: NDArray[Any]) -> FittedGaussian:
    """The Gaussian of feature vectors (N, D); ValueError for fewer than two."""
    if len(rows) < 2:
        raise ValueError(f"a covariance needs at least 2 samples, got {len(rows)}")
    mean = np.asarray(rows.mean(0, dtype=np.float64))
    if rows_suffice(len(rows), rows.shape[1]):
        return RowGaussian(rows, mean)
    centred = rows - mean
    return Gaussian(len(rows), mean, centred.T @ centred / (len(rows) - 1))


def rows_suffice(count: int, dim: int) -> bool:
    """Whether ``count`` samples are kept in place of a covariance of ``dim`` dimensions."""
    return count <= dim


class Moments:
    """Streaming mean and scatter of features (B, D), in float64, mergeable.

    Batches are merged by Chan's update, which never subtracts two large numbers: the result does
    not depend on the batch size, and features far from zero lose no digits. On a device without
    float64 the sums lie on the CPU.

    Source: Chan, Golub and LeVeque 1979.
    """

    def __init__(self, dim: int, device: torch.device | str = "cpu") -> None:
        device = float64_device(torch.device(device))
        self.count = 0
        self.mean = torch.zeros(dim, dtype=torch.float64, device=device)
        self.scatter = torch.zeros(dim, dim, dtype=torch.float64, device=device)

    @torch.no_grad()
    def update(self, features: Float[Tensor, "B D"]) -> None:
        """Adds a batch of features; an empty batch changes nothing."""
        if features.shape[0] == 0:
            return
        batch = features.to(self.mean.device).to(torch.float64)
        mean = batch.mean(0)
        centred = batch - mean
        self.scatter.addmm_(centred.t(), centred)
        self._shift(mean, batch.shape[0])

    @torch.no_grad()
    def merge(self, other: Moments) -> None:
        """Adds the samples of ``other``, as if they had come through :meth:`update`."""
        if other.count == 0:
            return
        self.scatter.add_(other.scatter.to(self.scatter.device))
        self._shift(other.mean.to(self.mean.device), other.count)

    def _shift(self, mean: Tensor, count: int) -> None:
        total = self.count + count
        delta = mean - self.mean
        self.scatter.addr_(delta, delta, alpha=self.count * count / total)
        self.mean.add_(delta, alpha=count / total)
        self.count = total

    def gaussian(self) -> Gaussian:
        """The fitted Gaussian; ValueError for fewer than two samples."""
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 samples, got {self.count}")
        covariance = (self.scatter / (self.count - 1)).cpu().numpy()
        return Gaussian(self.count, self.mean.cpu().numpy(), covariance)


def gaussian_to_arrays(gaussian: FittedGaussian) -> dict[str, Any]:
    """The arrays that a cache file holds; the rows of a Gaussian given by them lie elsewhere."""
    arrays = {"count": np.int64(gaussian.count), "mean": gaussian.mean}
    if isinstance(gaussian, Gaussian):
        arrays["covariance"] = gaussian.covariance
    return arrays


def gaussian_from_arrays(arrays: Any, rows: NDArray[Any] | None) -> FittedGaussian | None:
    """The inverse of :func:`gaussian_to_arrays`, from a mapping; None where something is missing.

    ``rows`` are the feature vectors, where they are at hand.
    """
    if "covariance" in arrays:
        return Gaussian(int(arrays["count"]), arrays["mean"], arrays["covariance"])
    return None if rows is None else RowGaussian(rows, arrays["mean"])
