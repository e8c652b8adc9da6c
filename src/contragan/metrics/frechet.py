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
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from contragan.core.gaussian import Array, FittedGaussian, Gaussian, RowGaussian, fit_gaussian
from contragan.metrics.base import Found, Metric, Score, Sets

_EPS = float(np.finfo(np.float64).eps)


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


class FrechetMetric(Metric):
    """The Fréchet distance between generated images and the reference set."""

    name = "frechet_distance"
    scores = (
        Score(
            "frechet_distance",
            "Fréchet distance",
            unit="distance",
            higher_is_better=False,
            published_title="FID",
            names_features=True,
            in_training=True,
        ),
    )

    def compute(self, sets: Sets) -> Found:
        real, generated = sets.reference.gaussian, sets.generated.gaussian
        distance = frechet_distance_from_moments(real, generated)
        few, dim = min(len(sets.generated), len(sets.reference)), len(real.mean)
        warnings: tuple[str, ...] = ()
        if few <= dim:
            warnings = (
                f"{few} images for {dim} feature dimensions: the Fréchet distance is biased "
                "upwards and comparable only at equal counts. Use more images, or the kernel "
                "distance, whose estimate is unbiased.",
            )
        return Found({"frechet_distance": distance}, warnings=warnings)
