"""Precision and recall within each class, beside those of as many real images of the class.

Recall is the share of a class's real images that lie within reach of its generated ones (the
distance to the ``manifold_neighbours``-th neighbour: Kynkäänniemi et al. 2019). Few images reach
less far into a class than many, so a recall means little by itself. Here the real images of a class
are halved: one half is looked for, and the other plays a generator with as many images.

Images of a class that shows another, or none, are not judged: they miss the class, however varied
they are. What they show is the verdict of ``label_verdict``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from contragan.metrics.base import Found, Metric, Score, Sets
from contragan.metrics.bounds import ALARM_RATE
from contragan.metrics.findings import Finding, in_short
from contragan.metrics.label_agreement import fidelity_in
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
    that a real image, the median one among as many, has to its nearest.
    """

    precision: float
    recall: float
    real_precision: float
    real_recall: float
    images: int
    alike: int = 0

    def narrow(self, level: float) -> bool:
        """Its images look like the class, but reach less than a quarter of what real images reach.

        By chance: Fisher's exact test of the images reached gives at most ``level``. Images of poor
        precision are not judged: they miss the class, whatever their variety.
        """
        from scipy.stats import fisher_exact

        if self.recall >= self.real_recall / 4 or self.precision < self.real_precision / 2:
            return False
        reached, real = (round(x * self.images) for x in (self.recall, self.real_recall))
        table = [[self.images - reached, reached], [self.images - real, real]]
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
            _alike(shown, played),
        )
    return found


def _alike(shown: torch.Tensor, real: torch.Tensor) -> int:
    """How many of the images have another that is as good as the same."""
    itself = torch.arange(len(shown))
    apart = nearest_neighbours(real, real, itself=itself)[0].median()
    return int((nearest_neighbours(shown, shown, itself=itself)[0] < apart / 2).sum())


def _rows(features: np.ndarray, rows: Labels) -> torch.Tensor:
    return torch.from_numpy(np.asarray(features[np.sort(rows)], dtype=np.float32))


def narrow_classes(
    found: dict[int, ClassDiversity], names: Sequence[str], off: Collection[int] = ()
) -> Finding | None:
    """Names classes whose images reach few of the real ones, but for those that are ``off``."""
    level = ALARM_RATE / max(len(found), 1)
    narrow = sorted(
        (index for index, shares in found.items() if shares.narrow(level) and index not in off),
        key=lambda index: found[index].recall,
    )
    if not narrow:
        return None
    listed = in_short((_in_words(names[index], found[index]) for index in narrow), "; ")
    vary = "varies" if len(narrow) == 1 else "vary"
    return Finding("narrow", f"{len(narrow)} of {len(names)} classes {vary} too little: {listed}.")


def _in_words(name: str, shares: ClassDiversity) -> str:
    """``class 1: 3 images out of 4 look alike, and come near ...``."""
    reach = (
        f"come near {shares.recall:.0%} of the real ones (as many real images near "
        f"{shares.real_recall:.0%})"
    )
    if shares.alike < max(2, shares.images / 10):
        return f"class {name}: its {shares.images} images {reach}"
    return f"class {name}: {shares.alike} images out of {shares.images} look alike, and all {reach}"


def diversity_in(sets: Sets) -> dict[int, ClassDiversity]:
    """Diversity within the classes of the sets; none where a generator saw no labels."""
    if sets.made_by is not None and not sets.made_by.conditional:
        return {}
    made, real = sets.generated, sets.reference
    neighbours = sets.settings.manifold_neighbours
    return class_diversity(
        made.features, made.labels, real.features, real.labels, len(sets.class_names), neighbours
    )


def narrow_in(sets: Sets) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """What there is to tell of each class, as details of a record, and the fault if there is one.

    The report shows every entry of a class as a column of its table of classes.
    """
    found, names = sets.once(diversity_in), sets.class_names
    if not found:
        return {}, ()
    fault = narrow_classes(found, names, sets.once(fidelity_in).verdict.off)
    per_class = {names[index]: asdict(shares) for index, shares in found.items()}
    return {"precision_recall": {"per_class": per_class}}, () if fault is None else (fault,)


class ClassDiversityMetric(Metric):
    """Precision and recall of generated images within each class."""

    name = "class_diversity"
    needs = frozenset({"features", "classes", "probe"})
    scores = (
        Score("class_precision_mean", "class precision mean", higher_is_better=True),
        Score("class_recall_mean", "class recall mean", higher_is_better=True),
        Score("class_recall_worst", "class recall worst", higher_is_better=True),
        Score("real_class_recall_mean", "real class recall mean"),
    )

    def compute(self, sets: Sets) -> Found:
        if sets.made_by is not None and not sets.made_by.conditional:
            return Found(warnings=("No diversity by class: the generator saw no labels.",))
        found, names = sets.once(diversity_in), sets.class_names
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
        details, faults = narrow_in(sets)
        recalls = [shares.recall for shares in found.values()]
        return Found(
            {
                "class_precision_mean": float(np.mean([s.precision for s in found.values()])),
                "class_recall_mean": float(np.mean(recalls)),
                "class_recall_worst": min(recalls),
                "real_class_recall_mean": float(np.mean([s.real_recall for s in found.values()])),
            },
            details,
            {"class_diversity_fewest": min(shares.images for shares in found.values())},
            tuple(warnings),
            faults,
        )
