"""Images whose features speak for another class than their label: a cross-fitted linear probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contragan.data.base import Labels
from contragan.data.rare import JUDGED
from contragan.metrics.probe import fit_probe

FOLDS = 3

MOST_WORK = 2e7
"""Images times classes above which the probe is left out: it would take an hour."""

SURE, DOUBTED = 0.9, 0.02
"""An image is suspected where another class gets at least the first, and its own at most the
second..."""

NEIGHBOURS, AGREE, OBJECT = 10, 3, 1
"""... and of its nearest images at least so many are of that class, and at most so many of its
own.

With 2% of labels changed at random, the first rule alone names 73 of 2,000 images of CIFAR-10, 18
of them rightly of 52; with the second 43, 17 rightly. Of 1,200 images of 20 classes of Tiny
ImageNet 28, 12 rightly of 30; with the second 22, 12 rightly.
"""


@dataclass(frozen=True)
class Verdict:
    """What probes say of images (M,) that they were not fitted to.

    ``likely`` (M,) are the classes they see, ``judged`` (M,) is false for images of classes that
    are too small, ``suspects`` are the positions of images that look like another class, the surest
    first.
    """

    likely: Labels
    judged: NDArray[np.bool_]
    suspects: list[int]
    confidence: NDArray[np.float32]

    def accuracy(self, labels: Labels, num_classes: int) -> NDArray[np.float64]:
        """The share of each class (K,) that the probes know; NaN for classes not judged."""
        right = np.bincount(labels[self.judged & (self.likely == labels)], minlength=num_classes)
        count = np.bincount(labels[self.judged], minlength=num_classes)
        with np.errstate(invalid="ignore"):
            return right / np.where(count > 0, count, np.nan)


def obstacle(labels: Labels, num_classes: int) -> str | None:
    """Why the labels of images (M,) cannot be judged, as a clause; None where they can be."""
    large = int((np.bincount(labels, minlength=num_classes) >= JUDGED).sum())
    if large < 2:
        which = "no class has" if large == 0 else "only one class has"
        return f"{which} {JUDGED} images or more, and it takes two such classes"
    if len(labels) * large > MOST_WORK:
        return (
            f"{len(labels):,} images of {large:,} classes are so many that it would take an hour "
            "or more; a check of some of the classes judges theirs"
        )
    return None


def judge(
    features: NDArray[np.float32],
    labels: Labels,
    groups: NDArray[np.int64],
    num_classes: int,
    progress: Callable[[int, int], None],
) -> Verdict | None:
    """Fit a probe to two thirds of the images and judge the others, three times over.

    Images of one of ``groups`` (M,), copies of each other, are judged together: a probe that has
    seen a copy has seen the label. None where there is an :func:`obstacle`.
    """
    if obstacle(labels, num_classes) is not None:
        return None
    counts = np.bincount(labels, minlength=num_classes)
    judged = counts[labels] >= JUDGED
    large = np.flatnonzero(counts >= JUDGED)
    place = np.full(num_classes, -1)
    place[large] = np.arange(len(large))
    folds = _folds(groups, labels)
    likely = labels.copy()
    confidence = np.zeros(len(labels), np.float32)
    own = np.ones(len(labels), np.float32)

    def iterated(done: int, of: int) -> None:
        progress(fold * of + done, FOLDS * of)

    for fold in range(FOLDS):
        fitted, asked = judged & (folds != fold), np.flatnonzero(judged & (folds == fold))
        if not len(asked) or not fitted.any():
            continue
        probe = fit_probe(features[fitted], place[labels[fitted]], len(large), iterated)
        chances = probe.probabilities(features[asked])
        best = chances.argmax(1)
        likely[asked] = large[best]
        confidence[asked] = chances[np.arange(len(asked)), best]
        own[asked] = chances[np.arange(len(asked)), place[labels[asked]]]
    wrong = judged & (likely != labels) & (confidence >= SURE) & (own <= DOUBTED)
    asked = np.flatnonzero(wrong)
    asked = asked[_agreed(features, labels, groups, asked, likely[asked])]
    asked = asked[np.argsort(-confidence[asked], kind="stable")]
    return Verdict(likely, judged, asked.tolist(), confidence)


def _agreed(
    features: NDArray[np.float32],
    labels: Labels,
    groups: NDArray[np.int64],
    asked: NDArray[np.int64],
    likely: Labels,
) -> NDArray[np.bool_]:
    """Whether the nearest images of those ``asked``, copies aside, are of the likely class."""
    if not len(asked):
        return np.zeros(0, np.bool_)
    centred = features - features.mean(0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    alike = centred[asked] @ centred.T
    alike[groups[asked][:, None] == groups[None]] = -2
    count = min(NEIGHBOURS, len(features) - 1)
    votes = labels[np.argpartition(-alike, count - 1, axis=1)[:, :count]]
    for_likely = (votes == likely[:, None]).sum(1)
    for_own = (votes == labels[asked][:, None]).sum(1)
    agreed: NDArray[np.bool_] = (for_likely >= AGREE) & (for_own <= OBJECT)
    return agreed


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
