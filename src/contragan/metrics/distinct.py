"""How many of the generated images are distinct, beside as many real ones? Finds mode collapse.

Two images count as one where they are closer than half the distance that a real image typically
has to its nearest neighbour. This scale comes from the real images, so it suits any features; and
half of it is far below what fresh images of the data show, also when a generator varies less than
the data does (a low truncation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contragan.metrics.base import Found, Metric, Score, Sets
from contragan.metrics.bounds import ALARM_RATE
from contragan.metrics.findings import Finding, in_short

MOST_COMPARED = 2048
"""Images compared with each other: more would cost time, and change the verdict only for generators
of more than about 1,290 different images."""

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class DistinctCount:
    """``distinct`` of ``images`` generated images; of as many real ones, ``real`` are distinct."""

    images: int
    distinct: int
    real: int

    def collapsed(self, level: float) -> bool:
        """Fewer than half as many distinct images as among the real ones, and not by chance.

        By chance: Fisher's exact test of the repeated images on both sides gives at most ``level``.
        """
        from scipy.stats import fisher_exact

        if self.distinct >= self.real / 2:
            return False
        table = [
            [self.images - self.distinct, self.distinct],
            [self.images - self.real, self.real],
        ]
        return float(fisher_exact(table, alternative="greater").pvalue) <= level


@dataclass(frozen=True)
class DistinctImages:
    """Distinct images over all classes, and within each (by class index; none where unlabelled)."""

    overall: DistinctCount
    by_class: dict[int, DistinctCount]
    class_names: tuple[str, ...]

    @property
    def collapsed(self) -> bool:
        """Whether there are too few distinct images over all."""
        return self.overall.collapsed(self._level)

    @property
    def collapsed_classes(self) -> tuple[int, ...]:
        """Classes with too few distinct images."""
        return tuple(k for k, count in self.by_class.items() if count.collapsed(self._level))

    @property
    def _level(self) -> float:
        return ALARM_RATE / (1 + len(self.by_class))

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values."""
        names = self.class_names
        return {
            "overall": vars(self.overall),
            "per_class": {names[index]: vars(count) for index, count in self.by_class.items()},
            "collapsed": self.collapsed,
            "collapsed_classes": [names[index] for index in self.collapsed_classes],
        }


def count_distinct(
    generated: np.ndarray,
    labels: Labels,
    real: np.ndarray,
    real_labels: Labels,
    class_names: Sequence[str],
    *,
    by_class: bool,
) -> DistinctImages:
    """Counts distinct images in features (N, D) and (M, D), each side as many, drawn at random.

    Without ``by_class`` labels are not looked at: those of an unconditional generator mean nothing.
    """
    overall = _compare(generated, real, np.arange(len(generated)), np.arange(len(real)))
    found = {}
    for index in range(len(class_names)) if by_class else ():
        rows, real_rows = np.flatnonzero(labels == index), np.flatnonzero(real_labels == index)
        if min(len(rows), len(real_rows)) >= 2:
            found[index] = _compare(generated, real, rows, real_rows)
    return DistinctImages(overall, found, tuple(class_names))


def _compare(
    generated: np.ndarray, real: np.ndarray, rows: Labels, real_rows: Labels
) -> DistinctCount:
    count = min(len(rows), len(real_rows), MOST_COMPARED)
    random = np.random.default_rng(0)

    def some(features: np.ndarray, which: Labels) -> np.ndarray:
        picked = np.sort(random.choice(which, count, replace=False))
        return np.asarray(features[picked], dtype=np.float64)

    shown, typical = some(generated, rows), some(real, real_rows)
    # In float64 and around the mean, equal images have a distance of almost 0.
    centre = typical.mean(0)
    between_real = _squared_distances(typical - centre)
    between_shown = _squared_distances(shown - centre)
    rounding = 1e-12 * max(between_real.max(), between_shown.max())
    apart = between_real + np.diag(np.full(count, np.inf))
    same = float(np.median(apart.min(1))) / 4 + rounding  # half the distance, squared
    return DistinctCount(count, _distinct(between_shown, same), _distinct(between_real, same))


def _squared_distances(points: np.ndarray) -> np.ndarray:
    norms = np.square(points).sum(1)
    squared: np.ndarray = norms[:, None] + norms - 2 * points @ points.T
    return squared.clip(0)


def _distinct(squared: np.ndarray, same: float) -> int:
    """Images left when each, in turn, takes out the later ones that are the same."""
    left = np.ones(len(squared), dtype=bool)
    for index, row in enumerate(squared):
        if left[index]:
            left[index + 1 :] &= row[index + 1 :] > same
    return int(left.sum())


def collapse(distinct: DistinctImages) -> list[Finding]:
    """Too few distinct images, over all or within classes."""
    over_all, names = distinct.overall, distinct.class_names
    classes = distinct.collapsed_classes
    listed = in_short(
        f"{names[index]} ({distinct.by_class[index].distinct} of "
        f"{distinct.by_class[index].images}, real {distinct.by_class[index].real})"
        for index in classes
    )
    if distinct.collapsed:
        text = (
            f"The generator has collapsed: among {over_all.images} images {over_all.distinct} are "
            f"distinct, among as many real ones {over_all.real}"
        )
        return [Finding("collapsed", f"{text}{f'. By class: {listed}' if classes else ''}.")]
    if not classes:
        return []
    have = "has" if len(classes) == 1 else "have"
    return [
        Finding(
            "collapsed",
            f"{len(classes)} of {len(names)} classes {have} collapsed to few distinct images: "
            f"{listed}.",
        )
    ]


def distinct_in(sets: Sets) -> DistinctImages:
    """Distinct images of the sets, within classes too where their labels mean something."""
    return count_distinct(
        sets.generated.features,
        sets.generated.labels,
        sets.reference.features,
        sets.reference.labels,
        sets.class_names,
        by_class=(sets.made_by is None or sets.made_by.conditional) and len(sets.class_names) > 1,
    )


class DistinctImagesMetric(Metric):
    """The share of distinct images among generated ones, and among as many real ones."""

    name = "distinct_images"
    needs = frozenset({"features"})
    scores = (
        Score("distinct_share", "distinct share", higher_is_better=True),
        Score("real_distinct_share", "real distinct share"),
    )

    def compute(self, sets: Sets) -> Found:
        distinct = sets.once(distinct_in)
        count = distinct.overall
        return Found(
            {
                "distinct_share": count.distinct / count.images,
                "real_distinct_share": count.real / count.images,
            },
            {self.name: distinct.to_dict()},
            findings=tuple(collapse(distinct)),
        )
