"""Does a generator copy its training images?

A fresh image has several training images about equally near; a copy has one that is much nearer
than the rest. So each image's distance to the nearest training image is divided by that to the
fifth nearest (Carlini et al. 2023 compare with the nearest fifty): a quotient that suits any
features, and plain and busy images alike. How small it gets by chance follows from the training
images' own quotients, each image left out in turn. Where points lie evenly in m dimensions, the
quotient to the k-th neighbour is below t with probability 1 - (1 - t^m)^(k-1) (k = 2: Facco et al.
2017). m is read off the upper quartile, which near duplicates in the training set hardly move.

Features notice some changes and overlook others: pixels feel a shift, a network feels the traces
of JPEG in a drawing. Where the pictures are given, they are compared as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from contragan.metrics.base import Found, Metric, Score, Sets
from contragan.metrics.bounds import ALARM_RATE, lower_bound
from contragan.metrics.precision_recall import k_nearest_neighbours

CHANCE = 0.01
"""An image is a copy where a fresh image comes as near by chance this often at most."""

NEIGHBOUR = 5
"""The neighbour compared with: three near duplicates of a training image do not matter."""

THUMBNAIL = 16
"""Longest side of the pictures compared: fine detail, which JPEG and noise change, is averaged."""

CHUNK = 4096
"""How many pictures are made smaller at a time."""

CLOSEST_PAIRS = 16
"""Pairs of a generated and its nearest training image that a record lists."""

Distances = NDArray[np.float32]
Indices = NDArray[np.int64]
Chances = NDArray[np.float64]
Views = Callable[[np.ndarray, Indices], Iterator[Tensor]]
"""What is compared of some rows of images: vectors (N, D), as they are first, then changed."""


@dataclass(frozen=True)
class Memorisation:
    """Generated images beside the training images that they are most like.

    ``distances`` and ``nearest`` (N,) hold each generated image's distance to, and the index of,
    its nearest training image in the features, or of the one whose picture it repeats; ``chance``
    (N,) is how often a fresh image comes as near. ``baseline`` and ``baseline_chance`` (M,) are the
    same of training images beside their nearest *other* one, equal images counting once: what a
    fresh sample of the data looks like.
    """

    distances: Distances
    nearest: Indices
    chance: Chances
    baseline: Distances
    baseline_chance: Chances

    @property
    def ratio(self) -> float:
        """Median distance of generated images over that of training images.

        About 1 for fresh samples of the data, near 0 for copies, above 1 for poor images.
        """
        return float(np.median(self.distances) / max(float(np.median(self.baseline)), 1e-12))

    @property
    def copied(self) -> NDArray[np.bool_]:
        """Which generated images are copies (N,)."""
        return np.asarray(self.chance <= CHANCE)

    @property
    def copied_share(self) -> float:
        """Share of generated images that are copies; about 1% of fresh images seem so by chance."""
        return float(self.copied.mean())

    @property
    def real_copied_share(self) -> float:
        """The same of training images beside the others: how many have a near duplicate."""
        return float((self.baseline_chance <= CHANCE).mean())

    def closest(self, count: int) -> Indices:
        """Indices of the generated images most surely copied, the surest first."""
        return np.lexsort((self.distances, self.chance))[:count].astype(np.int64)

    def message(self) -> str | None:
        """A sentence where chance and near duplicates in the training set cannot explain it."""
        copied, count = int(self.copied.sum()), len(self.copied)
        if lower_bound(copied, count, ALARM_RATE) <= max(CHANCE, self.real_copied_share):
            return None
        return (
            f"{copied:,} of {count:,} generated images ({self.copied_share:.1%}) copy a training "
            f"image; of the training images, {self.real_copied_share:.1%} are as near to another."
        )


def find_memorised(
    generated: np.ndarray,
    training: np.ndarray,
    *,
    pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None,
    baseline_images: int = 10_000,
    seed: int = 0,
) -> Memorisation:
    """Compares generated features (N, D) with training features (M, D).

    ``pictures`` are the same images, (N, C, H, W) and (M, C, H, W): given these, an image is a copy
    in the features or as a picture, perhaps mirrored or moved by a pixel. ValueError for fewer than
    two training images.
    """
    if len(training) < 2:
        raise ValueError(f"{len(training)} training images")
    distinct = _distinct_rows(training if pictures is None else pictures[1])
    size = min(len(distinct), baseline_images)
    picked = np.random.default_rng(seed).choice(len(distinct), size, replace=False)
    seen = _look(_as_they_are, generated, training, distinct, picked)
    if pictures is None:
        return Memorisation(
            seen.distances, distinct[seen.nearest], seen.chance, seen.baseline, seen.baseline_chance
        )
    shown = _look(_thumbnails, *pictures, distinct, picked)
    by_picture = (shown.chance <= CHANCE / 2) & (shown.chance < seen.chance)
    nearest = distinct[np.where(by_picture, shown.nearest, seen.nearest)]
    distances = seen.distances.copy()
    apart = generated[by_picture] - training[nearest[by_picture]]
    distances[by_picture] = np.linalg.norm(apart.astype(np.float32), axis=1)
    return Memorisation(
        distances,
        nearest,
        _of_two(seen.chance, shown.chance),
        seen.baseline,
        _of_two(seen.baseline_chance, shown.baseline_chance),
    )


def _of_two(first: Chances, second: Chances) -> Chances:
    """The chance that either of two looks comes out as small as the smaller did, at most."""
    return np.asarray(np.minimum(2 * np.minimum(first, second), 1.0))


def _distinct_rows(rows: np.ndarray) -> Indices:
    """Indices of rows that equal no earlier one."""
    first: dict[bytes, int] = {}
    for index, row in enumerate(rows):
        first.setdefault(blake2b(np.ascontiguousarray(row).data, digest_size=16).digest(), index)
    return np.fromiter(first.values(), dtype=np.int64, count=len(first))


class _Look(NamedTuple):
    """One comparison: of generated images with training images, and of these with each other."""

    distances: Distances
    nearest: Indices
    chance: Chances
    baseline: Distances
    baseline_chance: Chances


def _look(
    views: Views, generated: np.ndarray, training: np.ndarray, distinct: Indices, picked: Indices
) -> _Look:
    """``nearest`` are indices into ``distinct``, of which ``picked`` make the baseline."""
    points = next(views(training, distinct))
    neighbour = max(1, min(NEIGHBOUR, len(points) - 1))
    distances, nearest, quotients = _closest(
        views(generated, np.arange(len(generated))), points, neighbour, None
    )
    baseline, _, typical = _closest(
        views(training, distinct[picked]), points, neighbour, torch.from_numpy(picked)
    )
    if len(points) < 2:  # all training images are equal: there is no other one
        baseline, typical = np.zeros_like(baseline), np.ones_like(typical)
    quartile = float(np.quantile(typical, 0.75))
    return _Look(
        distances,
        nearest,
        _chance(quotients, quartile, neighbour),
        baseline,
        _chance(typical, quartile, neighbour),
    )


def _closest(
    views: Iterator[Tensor], points: Tensor, neighbour: int, itself: Tensor | None
) -> tuple[Distances, Indices, Chances]:
    """Distance to and index of the nearest point, and the quotient, in the view where it is least.

    The quotient is 0 for a distance of 0, also where further neighbours lie there.
    """
    least: list[Tensor] = []
    for view in views:
        distances, index = k_nearest_neighbours(view, points, neighbour, itself=itself)
        near, far = distances[:, 0], distances[:, -1]
        quotient = torch.where(near > 0, near / far.clamp(min=1e-30), 0.0).clamp(max=1)
        found = [near, index, quotient]
        better = quotient < least[2] if least else torch.ones_like(quotient, dtype=torch.bool)
        least = [torch.where(better, *pair) for pair in zip(found, least or found, strict=True)]
    return least[0].numpy(), least[1].numpy(), least[2].double().numpy()


def _chance(quotients: Chances, quartile: float, neighbour: int) -> Chances:
    """How often fresh images have so small a quotient, if a quarter have more than ``quartile``."""
    if neighbour < 2:  # too few images to compare with: only equal ones are copies
        return np.where(quotients > 0, 1.0, 0.0)
    at_quartile = -np.expm1(np.log(0.25) / (neighbour - 1))
    dimension = np.log(at_quartile) / np.log(np.clip(quartile, 1e-6, 1 - 1e-6))
    closer = np.minimum(quotients**dimension, 1 - 1e-12)
    return np.asarray(-np.expm1((neighbour - 1) * np.log1p(-closer)))


def _as_they_are(features: np.ndarray, rows: Indices) -> Iterator[Tensor]:
    yield torch.from_numpy(np.asarray(features[rows], dtype=np.float32))


def _thumbnails(images: np.ndarray, rows: Indices) -> Iterator[Tensor]:
    """Small pictures as vectors: as they are, mirrored, and moved by a pixel each way.

    All without the outermost pixels, which a move brings in or takes out.
    """
    height, width = images.shape[2:]
    edge = int(min(height, width) > 2)
    shrink = max(1, max(height, width) / THUMBNAIL)
    size = tuple(max(1, round((side - 2 * edge) / shrink)) for side in (height, width))
    around = range(-edge, edge + 1)
    moves = [(y, x, False) for y in around for x in around if (y, x) != (0, 0)]
    for down, right, mirrored in [(0, 0, False), (0, 0, True), *moves]:
        parts = []
        for start in range(0, len(rows), CHUNK):
            part = np.ascontiguousarray(images[rows[start : start + CHUNK]])
            moved = torch.from_numpy(part).float()[
                :, :, edge + down : height - edge + down, edge + right : width - edge + right
            ]
            small = F.adaptive_avg_pool2d(moved.flip(3) if mirrored else moved, size)
            parts.append(small.flatten(1))
        yield torch.cat(parts)


class MemorisationMetric(Metric):
    """How near generated images are to training images, beside real ones."""

    name = "memorisation"
    needs = frozenset({"features", "images", "training_features"})
    scores = (
        Score("memorisation_ratio", "memorisation ratio", unit="ratio"),
        Score("copied_share", "copied share", higher_is_better=False),
        Score("real_copied_share", "real copied share"),
    )

    def compute(self, sets: Sets) -> Found:
        generated, training = sets.generated, sets.training
        found = find_memorised(
            generated.features, training.features, pictures=(generated.images, training.images)
        )
        message = found.message()
        pairs = [
            {
                "generated": int(index),
                "training": int(found.nearest[index]),
                "distance": float(found.distances[index]),
            }
            for index in found.closest(CLOSEST_PAIRS)
        ]
        return Found(
            {
                "memorisation_ratio": found.ratio,
                "copied_share": found.copied_share,
                "real_copied_share": found.real_copied_share,
            },
            {self.name: pairs},
            {"memorisation_training": len(training)},
            () if message is None else (message,),
        )
