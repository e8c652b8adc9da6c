"""Improved precision and recall, density and coverage, in memory bounded by a chunk.

Each set's manifold is the union of balls around its samples that reach their k-th neighbour.
Sources: Kynkäänniemi et al. 2019 (precision, recall); Naeem et al. 2020 (density, coverage).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

CHUNK_ELEMENTS = 1 << 24
"""Distances held at once: 64 MiB in float32."""


class ManifoldScores(NamedTuple):
    """Shares in [0, 1]; ``density`` may exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_density_coverage(
    real: Float[Tensor, "N D"],
    generated: Float[Tensor, "M D"],
    k: int = 5,
    *,
    manifold_k: int | None = None,
) -> ManifoldScores:
    """The four scores with the ``k``-th neighbour's distance as each sample's radius.

    ``manifold_k``, where given, is the neighbour for precision and recall, whose authors use 3,
    while density and coverage keep ``k``. Distances are Euclidean, in float32 around the real
    mean. ValueError where a set has no more than ``k`` samples.
    """
    if real.ndim != 2 or generated.ndim != 2 or real.shape[1] != generated.shape[1]:
        raise ValueError(
            f"features must be (N, D) and (M, D), got {tuple(real.shape)} and "
            f"{tuple(generated.shape)}"
        )
    manifold_k = k if manifold_k is None else manifold_k
    largest = max(k, manifold_k)
    if min(k, manifold_k) < 1 or min(len(real), len(generated)) <= largest:
        raise ValueError(
            f"radii to neighbour {largest} of {len(real)} real and {len(generated)} generated"
        )
    # Around the mean, |x|^2 + |y|^2 - 2xy loses the fewest digits to cancellation.
    mean = real.mean(0, dtype=torch.float64)
    real = (real - mean.to(real.dtype)).float()
    generated = (generated - mean.to(generated.dtype)).float()
    real_radii = _squared_radii(real, (k, manifold_k))
    generated_radius = _squared_radii(generated, (manifold_k,))[0]
    return _scores(real, generated, real_radii, generated_radius, k)


def _scores(
    real: Tensor,
    generated: Tensor,
    real_radii: list[Tensor],
    generated_radius: Tensor,
    k: int,
) -> ManifoldScores:
    radius, manifold_radius = real_radii
    same_k = torch.equal(radius, manifold_radius)
    precise = torch.zeros(len(generated), dtype=torch.bool, device=real.device)
    recalled = covered = inside = 0
    norms = generated.square().sum(1)
    for start, stop in _chunks(len(real), len(generated)):
        distance = _squared_distances(real[start:stop], generated, norms)
        within = distance <= radius[start:stop, None]
        inside += int(torch.count_nonzero(within))
        covered += int(torch.count_nonzero(within.any(1)))
        if not same_k:
            within = distance <= manifold_radius[start:stop, None]
        precise |= within.any(0)
        recalled += int(torch.count_nonzero((distance <= generated_radius).any(1)))
    return ManifoldScores(
        precision=float(precise.double().mean()),
        recall=recalled / len(real),
        density=inside / (k * len(generated)),
        coverage=covered / len(real),
    )


def _squared_radii(points: Tensor, neighbours: tuple[int, ...]) -> list[Tensor]:
    """For each k the squared distance (N,) of every point to its k-th neighbour, itself aside."""
    largest = max(neighbours)
    norms = points.square().sum(1)
    nearest = torch.full((len(points), largest), torch.inf, device=points.device)
    # Square blocks of one triangle: every distance is computed once and serves both its points.
    side = math.isqrt(CHUNK_ELEMENTS)
    blocks = [slice(start, start + side) for start in range(0, len(points), side)]
    for index, rows in enumerate(blocks):
        for columns in blocks[index:]:
            distance = _squared_distances(points[rows], points[columns], norms[columns])
            if rows == columns:
                # A point's distance to itself is 0 but for rounding: it is never a neighbour.
                distance.fill_diagonal_(torch.inf)
            else:
                nearest[columns] = _merged(nearest[columns], distance.t().contiguous())
            nearest[rows] = _merged(nearest[rows], distance)
    return [nearest[:, neighbour - 1].contiguous() for neighbour in neighbours]


def _merged(nearest: Tensor, distance: Tensor) -> Tensor:
    """The smallest distances (n, k), ascending, of those found before and those of (n, m)."""
    count = nearest.shape[1]
    found = distance.topk(min(count, distance.shape[1]), dim=1, largest=False).values
    return torch.cat([nearest, found], 1).topk(count, dim=1, largest=False).values


def nearest_neighbours(
    queries: Float[Tensor, "N D"],
    points: Float[Tensor, "M D"],
    *,
    itself: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Distance (N,) and index (N,) of each query's nearest point.

    ``itself`` (N,) gives for each query the index of a point that does not count.
    """
    mean = points.mean(0, dtype=torch.float64)
    points = (points - mean.to(points.dtype)).float()
    queries = (queries - mean.to(queries.dtype)).float()
    norms = points.square().sum(1)
    distances, indices = [], []
    for start, stop in _chunks(len(queries), len(points)):
        distance = _squared_distances(queries[start:stop], points, norms)
        if itself is not None:
            distance[torch.arange(stop - start), itself[start:stop]] = torch.inf
        _, index = distance.min(1)
        # Recomputed by difference: an exact copy then has distance 0, not the root of rounding.
        distances.append((queries[start:stop] - points[index]).norm(dim=1))
        indices.append(index)
    return torch.cat(distances), torch.cat(indices)


def _squared_distances(rows: Tensor, columns: Tensor, column_norms: Tensor) -> Tensor:
    distance = torch.addmm(column_norms, rows, columns.t(), alpha=-2)
    return distance.add_(rows.square().sum(1, keepdim=True)).clamp_(min=0)


def _chunks(rows: int, columns: int) -> list[tuple[int, int]]:
    size = max(1, CHUNK_ELEMENTS // columns)
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]
