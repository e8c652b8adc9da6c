"""Improved precision and recall, density and coverage, in square tiles of distances.

Each set's manifold is the union of balls around its samples that reach their k-th neighbour.
Sources: Kynkäänniemi et al. 2019 (precision, recall); Naeem et al. 2020 (density, coverage).
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from contragan.metrics.base import Found, Metric, MetricSettings, Score, Sets

CPU_SIDE = 1536
"""Rows and columns of a tile of distances on a CPU: 9 MiB, which its cache holds."""
GPU_SIDE = 8192
"""The same on a GPU: 256 MiB, against the time that launching many small tiles takes."""


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
    mean = real.mean(0, dtype=torch.float64)
    real_blocks, fake_blocks = _blocks(real, mean), _blocks(generated, mean)
    radius, manifold_radius = _squared_radii(real_blocks, (k, manifold_k))
    (generated_radius,) = _squared_radii(fake_blocks, (manifold_k,))
    return _scores(real_blocks, fake_blocks, radius, manifold_radius, generated_radius, k)


class _Block(NamedTuple):
    """Neighbouring rows of a set: where they stand, the rows (n, D), their squared norms (n,)."""

    place: slice
    points: Tensor
    norms: Tensor


def _blocks(points: Tensor, mean: Tensor) -> list[_Block]:
    """The points around ``mean``, in float32, as blocks whose pairs make a tile."""
    on_cpu = points.device.type == "cpu"
    side = CPU_SIDE if on_cpu else GPU_SIDE
    blocks = []
    for start in range(0, len(points), side):
        place = slice(start, min(start + side, len(points)))
        # Around the mean, |x|^2 + |y|^2 - 2xy loses the fewest digits to cancellation.
        rows = (points[place] - mean.to(points.dtype)).float()
        norms = rows.square().sum(1)
        # oneDNN multiplies twice as fast as MKL does on AMD processors, and no slower on others.
        use_onednn = on_cpu and torch.backends.mkldnn.is_available()
        blocks.append(_Block(place, rows.to_mkldnn() if use_onednn else rows, norms))
    return blocks


def _squared_distances(rows: _Block, columns: _Block) -> Tensor:
    product = F.linear(rows.points, columns.points).to_dense()
    norms = rows.norms[:, None] + columns.norms
    return norms.sub_(product, alpha=2).clamp_(min=0)


def _scores(
    real: list[_Block],
    generated: list[_Block],
    radius: Tensor,
    manifold_radius: Tensor,
    generated_radius: Tensor,
    k: int,
) -> ManifoldScores:
    same_k = torch.equal(radius, manifold_radius)
    covered, recalled = (torch.zeros_like(radius, dtype=torch.bool) for _ in range(2))
    precise = torch.zeros_like(generated_radius, dtype=torch.bool)
    inside = torch.zeros((), dtype=torch.int64, device=radius.device)
    for rows, columns in itertools.product(real, generated):
        distance = _squared_distances(rows, columns)
        within = distance <= radius[rows.place, None]
        inside += torch.count_nonzero(within)
        covered[rows.place] |= within.any(1)
        if not same_k:
            within = distance <= manifold_radius[rows.place, None]
        precise[columns.place] |= within.any(0)
        recalled[rows.place] |= (distance <= generated_radius[columns.place]).any(1)
    return ManifoldScores(
        precision=float(precise.double().mean()),
        recall=float(recalled.double().mean()),
        density=int(inside) / (k * len(precise)),
        coverage=float(covered.double().mean()),
    )


def _squared_radii(blocks: list[_Block], neighbours: tuple[int, ...]) -> list[Tensor]:
    """For each k the squared distance (N,) of every point to its k-th other point."""
    norms = torch.cat([block.norms for block in blocks])
    nearest = torch.full((len(norms), max(neighbours)), torch.inf, device=norms.device)
    # One triangle of tiles: every distance is computed once and serves both its points.
    for rows, columns in itertools.combinations_with_replacement(blocks, 2):
        distance = _squared_distances(rows, columns)
        if rows is columns:
            # A point's distance to itself is 0 but for rounding: it is never a neighbour.
            distance.fill_diagonal_(torch.inf)
        else:
            transposed = distance.t().contiguous()
            nearest[columns.place] = _merged(nearest[columns.place], transposed)
        nearest[rows.place] = _merged(nearest[rows.place], distance)
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
    distances, indices = k_nearest_neighbours(queries, points, 1, itself=itself)
    return distances[:, 0], indices


def k_nearest_neighbours(
    queries: Float[Tensor, "N D"],
    points: Float[Tensor, "M D"],
    k: int,
    *,
    itself: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Distances (N, k) of each query's ``k`` nearest points, ascending, and the first's index (N,).

    ``itself`` as in :func:`nearest_neighbours`.
    """
    mean = points.mean(0, dtype=torch.float64)
    found = torch.full((len(queries), k), torch.inf, device=points.device)
    indices = torch.zeros(len(queries), dtype=torch.int64, device=points.device)
    for rows, columns in itertools.product(_blocks(queries, mean), _blocks(points, mean)):
        distance = _squared_distances(rows, columns)
        if itself is not None:
            own = torch.arange(columns.place.start, columns.place.stop, device=points.device)
            distance[itself[rows.place, None].to(points.device) == own] = torch.inf
        nearest, index = distance.min(1)
        closer = nearest < found[rows.place, 0]
        found[rows.place] = _merged(found[rows.place], distance)
        index += columns.place.start
        indices[rows.place] = torch.where(closer, index, indices[rows.place])
    # Recomputed by difference: an exact copy then has distance 0, not the root of rounding.
    parts = zip(torch.split(queries, CPU_SIDE), torch.split(indices, CPU_SIDE), strict=True)
    exact = torch.cat([(rows - points[index]).float().norm(dim=1) for rows, index in parts])
    return torch.cat([exact[:, None], found[:, 1:].sqrt()], 1), indices


class PrecisionRecallMetric(Metric):
    """Precision, recall, density and coverage of generated images in the reference set."""

    name = "precision_recall"
    needs = frozenset({"features"})
    scores = tuple(Score(name, name, higher_is_better=True) for name in ManifoldScores._fields)

    def compute(self, sets: Sets) -> Found:
        found = precision_recall_density_coverage(
            torch.from_numpy(np.array(sets.reference.features)),
            torch.from_numpy(sets.generated.features),
            sets.settings.density_neighbours,
            manifold_k=sets.settings.manifold_neighbours,
        )
        return Found(found._asdict())

    def fewest_images(self, settings: MetricSettings) -> tuple[int, str]:
        neighbours = max(settings.manifold_neighbours, settings.density_neighbours)
        return neighbours + 1, "precision and recall need"
