"""Images whose features speak for another class than their label: a cross-fitted linear probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contragan.data.base import Labels
from contragan.metrics.probe import fit_probe

FOLDS = 3

FEWEST = 6
"""Images of a class below which a probe learns nothing of it."""

MOST_WORK = 2e7
"""Images times classes above which the probe is left out: it would take an hour."""

SURE, DOUBTED = 0.9, 0.02
"""An image is suspected where another class gets at least the first, and its own at most the
second."""


@dataclass(frozen=True)
class Verdict:
    """What probes say of images (M,) that they were not fitted to.

    ``likely`` are the classes they see, ``confidence`` their probability and ``own`` that of the
    label, all (M,). ``judged`` (M,) is false for images of classes that are too small.
    """

    likely: Labels
    confidence: NDArray[np.float32]
    own: NDArray[np.float32]
    judged: NDArray[np.bool_]

    def suspects(self, labels: Labels) -> list[int]:
        """Positions of images that look like another class, the surest first."""
        wrong = self.judged & (self.likely != labels)
        wrong &= (self.confidence >= SURE) & (self.own <= DOUBTED)
        found = np.flatnonzero(wrong)
        return found[np.argsort(-self.confidence[found], kind="stable")].tolist()

    def accuracy(self, labels: Labels, num_classes: int) -> NDArray[np.float64]:
        """The share of each class (K,) that the probes know; NaN for classes not judged."""
        right = np.bincount(labels[self.judged & (self.likely == labels)], minlength=num_classes)
        count = np.bincount(labels[self.judged], minlength=num_classes)
        with np.errstate(invalid="ignore"):
            return right / np.where(count > 0, count, np.nan)


def judge(
    features: NDArray[np.float32],
    labels: Labels,
    groups: NDArray[np.int64],
    num_classes: int,
    progress: Callable[[int, int], None],
) -> Verdict | None:
    """Fit a probe to two thirds of the images and judge the others, three times over.

    Images of one of ``groups`` (M,), copies of each other, are judged together: a probe that has
    seen a copy has seen the label. None where fewer than two classes are large enough, or the work
    is too much.
    """
    counts = np.bincount(labels, minlength=num_classes)
    judged = counts[labels] >= FEWEST
    large = np.flatnonzero(counts >= FEWEST)
    if len(large) < 2 or len(labels) * len(large) > MOST_WORK:
        return None
    place = np.full(num_classes, -1)
    place[large] = np.arange(len(large))
    folds = _folds(groups, labels)
    likely = labels.copy()
    confidence = np.zeros(len(labels), np.float32)
    own = np.ones(len(labels), np.float32)
    for fold in range(FOLDS):
        progress(fold, FOLDS)
        fitted, asked = judged & (folds != fold), np.flatnonzero(judged & (folds == fold))
        if not len(asked) or not fitted.any():
            continue
        probe = fit_probe(features[fitted], place[labels[fitted]], len(large))
        chances = probe.probabilities(features[asked])
        best = chances.argmax(1)
        likely[asked] = large[best]
        confidence[asked] = chances[np.arange(len(asked)), best]
        own[asked] = chances[np.arange(len(asked)), place[labels[asked]]]
    progress(FOLDS, FOLDS)
    return Verdict(likely, confidence, own, judged)


def _folds(groups: NDArray[np.int64], labels: Labels) -> NDArray[np.int64]:
    """A fold for each image (M,): those of a class spread evenly, those of a group in one."""
    random = np.random.Generator(np.random.Philox(key=0))
    order = random.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), np.int64)
    folds[order] = np.arange(len(labels)) % FOLDS
    _, first = np.unique(groups, return_index=True)
    of_group = np.zeros(int(groups.max()) + 1, np.int64)
    of_group[groups[first]] = folds[first]
    return of_group[groups]
