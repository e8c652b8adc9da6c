"""Fréchet distance between Gaussians fitted to two feature sets.

``|m_a - m_b|^2 + Tr(A) + Tr(B) - 2 Tr((A B)^(1/2))`` with covariances A and B
(Heusel et al. 2017, Eq. 6). The last trace is the sum of the singular values of ``F_a F_b^T`` for
any factors with ``F^T F`` equal to the covariance, so no matrix square root is ever formed. Of at
most as many samples as dimensions the samples themselves are a factor, and no covariance is formed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)


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
    not depend on the batch size, and features far from zero lose no digits.

    Source: Chan, Golub and LeVeque 1979.
    """

    def __init__(self, dim: int, device: torch.device | str = "cpu") -> None:
        self.count = 0
        self.mean = torch.zeros(dim, dtype=torch.float64, device=device)
        self.scatter = torch.zeros(dim, dim, dtype=torch.float64, device=device)

    @torch.no_grad()
    def update(self, features: Float[Tensor, "B D"]) -> None:
        """Adds a batch of features; an empty batch changes nothing."""
        if features.shape[0] == 0:
            return
        batch = features.to(self.mean.device, torch.float64)
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


def frechet_distance(features_a: Float[Tensor, "N D"], features_b: Float[Tensor, "M D"]) -> float:
    """Fréchet distance between two feature sets; ValueError on unequal widths or under 2 rows.

    Sets with no more rows than columns are exact too, and cheaper than larger ones.
    """
    first, second = (features.detach().cpu().numpy() for features in (features_a, features_b))
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"features must be (N, D) and (M, D), got {first.shape}, {second.shape}")
    if min(len(first), len(second)) < 2:
        raise ValueError("a covariance needs at least 2 rows of features")
    return frechet_distance_from_moments(fit_gaussian(first), fit_gaussian(second))


def frechet_distance_from_moments(a: FittedGaussian, b: FittedGaussian) -> float:
    """Fréchet distance between two Gaussians, rank-deficient ones included.

    Full-rank covariances take one Cholesky factorisation and the eigenvalues of ``L^T B L``; where
    those eigenvalues are too small to be trusted after squaring, or where one Gaussian is given by
    its rows, the singular values of the product of two factors are used instead.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"features of different widths: {a.mean.shape[0]} and {b.mean.shape[0]}")
    traces = _trace(a) + _trace(b)
    root = None
    if isinstance(a, Gaussian) and isinstance(b, Gaussian):
        root = _trace_root_by_cholesky(a.covariance, b.covariance, traces)
    if root is None:
        root = _nuclear_norm_of_product(_factor(a), _factor(b))
    difference = a.mean - b.mean
    # The distance is never negative; rounding of two equal sets may leave it at -1e-13.
    return max(0.0, float(difference @ difference) + traces - 2 * root)


def _trace_root_by_cholesky(a: Array, b: Array, traces: float) -> float | None:
    """Tr((A B)^(1/2)) through eigenvalues, or None where rounding could be seen in the result."""
    from scipy.linalg import lapack

    # The transpose is a free view in Fortran order; the matrix is symmetric.
    lower, info = lapack.dpotrf(a.T, lower=1, clean=1)
    diagonal: Array = np.square(np.diagonal(lower))
    if info != 0 or diagonal.min() <= len(a) * _EPS * diagonal.max():
        return None
    # LAPACK's dsygst needs half the operations, but in so many small calls that it falls behind
    # tenfold on cores that other processes use too.
    eigenvalues = np.linalg.eigvalsh(lower.T @ (b @ lower))
    clamped = np.maximum(eigenvalues, 0.0)
    root = float(np.sqrt(clamped).sum())
    uncertain = float(np.sqrt(clamped + _EPS * clamped.max()).sum()) - root
    return root if uncertain <= 1e-9 * traces else None


COLUMNS = 2048
"""Columns of a factor that are worked on at once: a block of them, not the whole, is in float64."""


@dataclass(frozen=True)
class _Factor:
    """``F`` (R, D) with ``F^T F`` the covariance, given block by block of its columns."""

    rows: NDArray[Any]
    mean: Array
    divisor: float

    def blocks(self) -> Iterator[Array]:
        for start in range(0, self.rows.shape[1], COLUMNS):
            part = slice(start, start + COLUMNS)
            centred: Array = self.rows[:, part].astype(np.float64) - self.mean[part]
            yield centred / self.divisor


def _factor(gaussian: FittedGaussian) -> _Factor:
    if isinstance(gaussian, RowGaussian):
        return _Factor(gaussian.rows, gaussian.mean, math.sqrt(gaussian.count - 1))
    return _Factor(_pivoted_factor(gaussian.covariance), np.zeros_like(gaussian.mean), 1.0)


def _trace(gaussian: FittedGaussian) -> float:
    if isinstance(gaussian, Gaussian):
        return float(np.trace(gaussian.covariance))
    return sum(float(np.square(block).sum()) for block in _factor(gaussian).blocks())


def _pivoted_factor(covariance: Array) -> Array:
    """``F`` (rank, D) with ``F^T F`` the covariance, by Cholesky with complete pivoting."""
    from scipy.linalg import lapack

    scale = float(np.diagonal(covariance).max(initial=0.0))
    dim = len(covariance)
    if scale <= 0:
        return np.zeros((0, dim))
    lower, pivots, rank, _ = lapack.dpstrf(covariance.T, lower=1, tol=dim * _EPS * scale)
    factor = np.zeros((rank, dim))
    factor[:, pivots - 1] = np.tril(lower)[:, :rank].T
    return factor


def _nuclear_norm_of_product(a: _Factor, b: _Factor) -> float:
    """The sum of the singular values of ``F_a F_b^T``."""
    from scipy.linalg import svdvals

    if len(a.rows) == 0 or len(b.rows) == 0:
        return 0.0
    product = np.zeros((len(a.rows), len(b.rows)))
    for block_a, block_b in zip(a.blocks(), b.blocks(), strict=True):
        product += block_a @ block_b.T
    return float(svdvals(product, overwrite_a=True, check_finite=False).sum())


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
