"""Precision and recall within each class, beside those of as many real images of the class.

Recall is the share of a class's real images that lie within reach of its generated ones (the
distance to the ``manifold_neighbours``-th neighbour: Kynkäänniemi et al. 2019). Few images reach
less far into a class than many, so a recall means little by itself. Here the real images of a class
are halved: one half is looked for, and the other plays a generator with as many images.

A low recall alone is not a fault: images a bit noisier than real ones reach few of them however
varied they are, and so do images of another class, where labels are permuted. So a class is named
where its images look alike as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from contragan.metrics.base import Found, Metric, Score, Sets
from contragan.metrics.bounds import ALARM_RATE
from contragan.metrics.findings import Finding, in_short
from contragan.metrics.precision_recall import (
    nearest_neighbours,
    precision_recall_density_coverage,
)

MOST_COMPARED = 2048
"""Images of a class compared with each other, which bounds time and memory."""

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class ClassDiversity:
    """Shares of one class, all on ``images`` images; ``real_...`` are those of real images.

    ``alike`` counts images that are as good as another of them: nearer to it than half the distance
    that a real image, the median one among as many, has to its nearest; ``real_alike`` real ones.
    """

    precision: float
    recall: float
    real_precision: float
    real_recall: float
    images: int
    alike: int = 0
    real_alike: int = 0

    def narrow(self, level: float) -> bool:
        """A quarter of its images look alike, and all reach a quarter of what real ones do at most.

        Both beyond chance: Fisher's exact test gives at most ``level``. Images of poor precision
        are not judged: they miss the class.
        """
        if self.recall >= self.real_recall / 4 or self.precision < self.real_precision / 2:
            return False
        missed = (self._missed(self.recall), self._missed(self.real_recall))
        return 4 * self.alike >= self.images and all(
            self._beyond_chance(*pair, level) for pair in (missed, (self.alike, self.real_alike))
        )

    def _missed(self, recall: float) -> int:
        return round((1 - recall) * self.images)

    def _beyond_chance(self, count: int, real: int, level: float) -> bool:
        from scipy.stats import fisher_exact

        table = [[count, self.images - count], [real, self.images - real]]
        return float(fisher_exact(table, alternative="greater").pvalue) <= level


def class_diversity(
    generated: np.ndarray,
    labels: Labels,
    real: np.ndarray,
    real_labels: Labels,
    classes: int,
    neighbours: int,
) -> dict[int, ClassDiversity]:
    """Compares features (N, D) and (M, D) class by class, each side with as many images.

    A class is left out that has too few images for ``neighbours`` on a side.
    """
    found, random = {}, np.random.default_rng(0)
    for index in range(classes):
        made, known = np.flatnonzero(labels == index), np.flatnonzero(real_labels == index)
        count = min(len(made), len(known) // 2, MOST_COMPARED)
        if count <= neighbours:
            continue
        halves = random.choice(known, 2 * count, replace=False)
        sought, played = _rows(real, halves[:count]), _rows(real, halves[count:])
        shown = _rows(generated, random.choice(made, count, replace=False))
        ours = precision_recall_density_coverage(sought, shown, neighbours)
        typical = precision_recall_density_coverage(sought, played, neighbours)
        found[index] = ClassDiversity(
            ours.precision,
            ours.recall,
            typical.precision,
            typical.recall,
            count,
            *_alike(shown, played),
        )
    return found


def _alike(shown: torch.Tensor, real: torch.Tensor) -> tuple[int, int]:
    """How many of the images, and of the real ones, have another that is as good as the same."""
    itself = torch.arange(len(shown))
    between, apart = (nearest_neighbours(x, x, itself=itself)[0] for x in (shown, real))
    same = apart.median() / 2
    return int((between < same).sum()), int((apart < same).sum())


def _rows(features: np.ndarray, rows: Labels) -> torch.Tensor:
    return torch.from_numpy(np.asarray(features[np.sort(rows)], dtype=np.float32))


def narrow_classes(found: dict[int, ClassDiversity], names: Sequence[str]) -> Finding | None:
    """Names classes whose images look alike."""
    level = ALARM_RATE / max(len(found), 1)
    narrow = sorted(
        (index for index, shares in found.items() if shares.narrow(level)),
        key=lambda index: found[index].recall,
    )
    if not narrow:
        return None
    listed = in_short((_in_words(names[index], found[index]) for index in narrow), "; ")
    vary = "varies" if len(narrow) == 1 else "vary"
    return Finding("narrow", f"{len(narrow)} of {len(names)} classes {vary} too little: {listed}.")


def _in_words(name: str, shares: ClassDiversity) -> str:
    """``class 1: 3 images out of 4 look alike, and all come near ...``."""
    return (
        f"class {name}: {shares.alike} images out of {shares.images} look alike, and all come near "
        f"{shares.recall:.0%} of the real ones (as many real images near {shares.real_recall:.0%})"
    )


class ClassDiversityMetric(Metric):
    """Precision and recall of generated images within each class."""

    name = "class_diversity"
    needs = frozenset({"features", "classes"})
    scores = (
        Score("class_precision_mean", "class precision mean", higher_is_better=True),
        Score("class_recall_mean", "class recall mean", higher_is_better=True),
        Score("class_recall_worst", "class recall worst", higher_is_better=True),
        Score("real_class_recall_mean", "real class recall mean"),
    )

    def compute(self, sets: Sets) -> Found:
        if sets.made_by is not None and not sets.made_by.conditional:
            return Found(warnings=("No diversity by class: the generator saw no labels.",))
        made, real, names = sets.generated, sets.reference, sets.class_names
        found = class_diversity(
            made.features,
            made.labels,
            real.features,
            real.labels,
            len(names),
            sets.settings.manifold_neighbours,
        )
        left_out = len(names) - len(found)
        warnings = []
        if left_out:
            warnings.append(
                f"Diversity by class leaves out {left_out} of {len(names)} classes: it needs more "
                f"than {sets.settings.manifold_neighbours} generated images of a class and twice "
                "as many real ones."
            )
        if not found:
            return Found(warnings=tuple(warnings))
        fault = narrow_classes(found, names)
        recalls = [shares.recall for shares in found.values()]
        return Found(
            {
                "class_precision_mean": float(np.mean([s.precision for s in found.values()])),
                "class_recall_mean": float(np.mean(recalls)),
                "class_recall_worst": min(recalls),
                "real_class_recall_mean": float(np.mean([s.real_recall for s in found.values()])),
            },
            # The report shows every entry as a column of its table of classes.
            {"precision_recall": {"per_class": {names[k]: asdict(s) for k, s in found.items()}}},
            {"class_diversity_fewest": min(shares.images for shares in found.values())},
            tuple(warnings),
            () if fault is None else (fault,),
        )
