"""Labels of images beside what a classifier sees in them: the confusion, and its summaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contragan.metrics.label_verdict import LabelVerdict, judge_labels, missing_classes

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class ClassFidelity:
    """Class agreement of generated images with their labels, as a linear probe sees it.

    ``confusion`` (K, K) counts images asked for as the row's class and classified as the column's;
    ``real_confusion`` the same of held-out real images. ``conditional`` says whether the generator
    saw the labels (None: unknown). Images of a generator that did not see them get no verdict.
    """

    confusion: Labels
    real_confusion: Labels
    class_names: tuple[str, ...]
    conditional: bool | None = None

    @property
    def accuracy(self) -> float:
        """Share of generated images that are classified as their label."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def real_accuracy(self) -> float:
        """The same of held-out real images; NaN without any."""
        total = self.real_confusion.sum()
        return float(np.trace(self.real_confusion) / total) if total else float("nan")

    @property
    def class_accuracy(self) -> NDArray[np.float64]:
        """Accuracy of each class (K,); NaN for a class without images."""
        return np.diagonal(_shares(self.confusion)).copy()

    @property
    def real_recall(self) -> NDArray[np.float64]:
        """The same of held-out real images."""
        return np.diagonal(_shares(self.real_confusion)).copy()

    @property
    def shares(self) -> NDArray[np.float64]:
        """The confusion matrix with rows that sum to one; NaN rows for absent classes."""
        return _shares(self.confusion)

    @cached_property
    def relabelled_accuracy(self) -> float:
        """Accuracy under the one-to-one relabelling of classes that agrees best with the images."""
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(self.confusion, maximize=True)
        return float(self.confusion[rows, columns].sum() / self.confusion.sum())

    @cached_property
    def verdict(self) -> LabelVerdict:
        """Which classes are permuted, merged or lost; none for a generator without labels."""
        if self.conditional is False:
            return LabelVerdict({}, (), (), False)
        return judge_labels(self.confusion, self.real_confusion)

    @cached_property
    def missing(self) -> tuple[int, ...]:
        """Classes that a generator without labels hardly draws."""
        if self.conditional is not False:
            return ()
        return missing_classes(self.confusion, self.real_confusion)

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values."""
        names, verdict = self.class_names, self.verdict

        def by_name(values: NDArray[np.float64]) -> dict[str, float | None]:
            known = [None if np.isnan(value) else float(value) for value in values]
            return dict(zip(names, known, strict=True))

        return {
            "conditional": self.conditional,
            "accuracy": self.accuracy,
            "class_accuracy": by_name(self.class_accuracy),
            "real_accuracy": self.real_accuracy,
            "real_class_accuracy": by_name(self.real_recall),
            "relabelled_accuracy": self.relabelled_accuracy,
            "permuted": bool(verdict.permutation),
            "confused": verdict.confused,
            "permutation": {
                names[source]: names[target] for source, target in verdict.permutation.items()
            },
            "merged": [
                {"classes": [names[index] for index in group.classes], "shown": names[group.shown]}
                for group in verdict.merged
            ],
            "lost": [names[index] for index in verdict.lost],
            "missing": [names[index] for index in self.missing],
            "confusion": self.confusion.tolist(),
        }


def fidelity_of_predictions(
    predictions: Labels,
    labels: Labels,
    *,
    held_out: tuple[Labels, Labels],
    class_names: Sequence[str],
    conditional: bool | None = None,
) -> ClassFidelity:
    """The same from predictions of any classifier; ``held_out`` is (predictions, labels)."""
    if len(labels) == 0:
        raise ValueError("class fidelity of no images")
    count = len(class_names)
    return ClassFidelity(
        _confusion(labels, predictions, count),
        _confusion(held_out[1], held_out[0], count),
        tuple(class_names),
        conditional,
    )


def _confusion(labels: Labels, predictions: Labels, count: int) -> Labels:
    flat = np.asarray(labels) * count + np.asarray(predictions)
    return np.bincount(flat, minlength=count * count).reshape(count, count).astype(np.int64)


def _shares(confusion: Labels) -> NDArray[np.float64]:
    totals = confusion.sum(1, keepdims=True)
    return np.asarray(confusion / np.where(totals > 0, totals, np.nan))
