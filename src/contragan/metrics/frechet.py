"""Fréchet distance between Gaussians fitted to two feature sets.

``|m_a - m_b|^2 + Tr(A) + Tr(B) - 2 Tr((A B)^(1/2))`` with covariances A and B
(Heusel et al. 2017, Eq. 6). The last trace is the sum of the singular values of ``F_a F_b^T`` for
any factors with ``F^T F`` equal to the covariance, so no matrix square root is ever formed.
"""

from __future__ import annotations

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

    Where a set has fewer rows than columns its rows themselves are the covariance's factor, so the
    rank-deficient case is exact and cheaper than the full one.
    """
    first, second = _as_float64(features_a), _as_float64(features_b)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"features must be (N, D) and (M, D), got {first.shape}, {second.shape}")
    dim = first.shape[1]
    if min(len(first), len(second)) < 2:
        raise ValueError("a covariance needs at least 2 rows of features")
    if len(first) > dim and len(second) > dim:
        return frechet_distance_from_moments(_gaussian(first), _gaussian(second))
    factor_a, factor_b = _factor_of_rows(first), _factor_of_rows(second)
    difference = first.mean(0) - second.mean(0)
    traces = float(np.square(factor_a).sum() + np.square(factor_b).sum())
    return _distance(difference, traces, _nuclear_norm(factor_a, factor_b))


def frechet_distance_from_moments(a: Gaussian, b: Gaussian) -> float:
    """Fréchet distance between two Gaussians, rank-deficient ones included.

    Full-rank covariances take one Cholesky factorisation and the eigenvalues of ``L^T B L``; where
    those eigenvalues are too small to be trusted after squaring, the singular values of the product
    of two pivoted factors are used instead.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"features of different widths: {a.mean.shape[0]} and {b.mean.shape[0]}")
    traces = float(np.trace(a.covariance) + np.trace(b.covariance))
    root = _trace_root_by_cholesky(a.covariance, b.covariance, traces)
    if root is None:
        root = _nuclear_norm(_pivoted_factor(a.covariance), _pivoted_factor(b.covariance))
    return _distance(a.mean - b.mean, traces, root)


def _as_float64(features: Tensor) -> Array:
    return np.asarray(features.detach().cpu().numpy(), dtype=np.float64)


def _gaussian(rows: Array) -> Gaussian:
    mean = rows.mean(0)
    centred = rows - mean
    return Gaussian(len(rows), mean, centred.T @ centred / (len(rows) - 1))


def _distance(difference: Array, traces: float, root: float) -> float:
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


def _factor_of_rows(rows: Array) -> Array:
    centred = rows - rows.mean(0)
    if len(rows) <= rows.shape[1]:
        factor: Array = centred / np.sqrt(len(rows) - 1)
        return factor
    return _pivoted_factor(centred.T @ centred / (len(rows) - 1))


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


def _nuclear_norm(factor_a: Array, factor_b: Array) -> float:
    from scipy.linalg import svdvals

    if factor_a.shape[0] == 0 or factor_b.shape[0] == 0:
        return 0.0
    return float(svdvals(factor_a @ factor_b.T, check_finite=False).sum())


def gaussian_to_arrays(gaussian: Gaussian) -> dict[str, Any]:
    """The arrays that a cache file holds."""
    return {
        "count": np.int64(gaussian.count),
        "mean": gaussian.mean,
        "covariance": gaussian.covariance,
    }


def gaussian_from_arrays(arrays: Any) -> Gaussian:
    """The inverse of :func:`gaussian_to_arrays`, from an opened npz file or a mapping."""
    return Gaussian(int(arrays["count"]), arrays["mean"], arrays["covariance"])
