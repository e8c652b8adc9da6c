from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from contragan.evaluation.by_class import quantity_by_class
from contragan.evaluation.reference import ImageSet
from contragan.metrics.base import MeasuredSet, Sets
from contragan.metrics.class_diversity import (
    ClassDiversity,
    ClassDiversityMetric,
    class_diversity,
    narrow_classes,
)

NAMES = tuple(f"digit {index}" for index in range(10))


def _flat(images: ImageSet) -> np.ndarray:
    return images.images.reshape(len(images.images), -1).astype(np.float32) / 255


def _found(shown: np.ndarray, labels: np.ndarray, real: ImageSet) -> dict[int, ClassDiversity]:
    return class_diversity(shown, labels, _flat(real), real.labels, 10, 3)


@pytest.mark.parametrize("seed", range(5))
def test_real_digits_stay_silent(train_digits: ImageSet, test_digits: ImageSet, seed: int) -> None:
    rows = np.random.default_rng(seed).permutation(len(train_digits.labels))[:600]
    found = _found(_flat(train_digits)[rows], train_digits.labels[rows], test_digits)
    assert len(found) == 10
    assert narrow_classes(found, NAMES) is None
    recalls = [(shares.recall, shares.real_recall) for shares in found.values()]
    ours, typical = np.mean(recalls, axis=0)
    assert ours == pytest.approx(typical, abs=0.1)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_class_that_repeats_three_digits_is_named(
    train_digits: ImageSet, test_digits: ImageSet, noise: float
) -> None:
    rng = np.random.default_rng(0)
    shown, labels = _flat(train_digits), train_digits.labels
    ones = np.flatnonzero(labels == 1)
    shown[ones] = shown[rng.choice(ones[:3], len(ones))]
    shown[ones] += rng.normal(scale=noise, size=shown[ones].shape).astype(np.float32)
    found = _found(shown, labels, test_digits)
    fault = narrow_classes(found, NAMES)
    assert fault is not None
    assert fault.kind == "narrow"
    count = found[1].images
    assert fault.text.startswith(
        f"1 of 10 classes varies too little: class digit 1: {count} images out of {count} look "
        f"alike, and all come near {found[1].recall:.0%} of the real ones (as many real images "
        f"near {found[1].real_recall:.0%})."
    )


@pytest.mark.parametrize("repeated", [0.75, 1.0])
def test_three_images_out_of_four_look_alike(
    train_digits: ImageSet, test_digits: ImageSet, repeated: float
) -> None:
    """Copies of one digit among fresh ones are counted, and fresh ones are not."""
    shown, labels = _flat(train_digits), train_digits.labels
    ones = np.flatnonzero(labels == 1)[: np.sum(test_digits.labels == 1) // 2]
    shown[ones[: round(repeated * len(ones))]] = shown[ones[0]]
    keep = np.union1d(np.flatnonzero(labels != 1), ones)
    found = _found(shown[keep], labels[keep], test_digits)
    assert found[1].alike == pytest.approx(repeated * found[1].images, abs=1)
    assert all(found[index].alike <= 1 for index in range(10) if index != 1)


def test_dropped_modes_are_named_though_no_image_repeats(
    train_digits: ImageSet, test_digits: ImageSet
) -> None:
    """Zeros mixed from those that are like one of them: all different, and all of one style."""
    shown, labels = _flat(train_digits), train_digits.labels
    zeros = np.flatnonzero(labels == 0)
    order = zeros[np.argsort(np.linalg.norm(shown[zeros] - shown[zeros[0]], axis=1))]
    near = order[: len(zeros) // 5]
    rng = np.random.default_rng(0)
    mixed = rng.dirichlet(np.ones(4), len(zeros)).astype(np.float32)
    picked = shown[rng.choice(near, (len(zeros), 4))]
    shown[zeros] = np.einsum("nk,nkd->nd", mixed, picked)
    fault = narrow_classes(_found(shown, labels, test_digits), NAMES)
    assert fault is not None
    assert fault.text.startswith("1 of 10 classes varies too little: class digit 0: ")


def test_only_grave_faults_are_named() -> None:
    """Images that reach little and look alike: not if they miss the class, vary, or are few."""
    repeated = ClassDiversity(0.9, 0.1, 0.9, 0.9, 40, alike=30)
    assert repeated.narrow(0.001)
    for kept in (
        replace(repeated, precision=0.4),
        replace(repeated, recall=0.3),
        replace(repeated, alike=9),  # as of a good run on digits: noisier than real images
        replace(repeated, real_alike=20),
        replace(repeated, images=5, alike=5),
    ):
        assert not kept.narrow(0.001)


def _sets(train: ImageSet, test: ImageSet) -> Sets:
    def measured(images: ImageSet) -> MeasuredSet:
        return MeasuredSet(images.labels, {"features": lambda: _flat(images)})

    settings: Any = SimpleNamespace(manifold_neighbours=3)
    real = measured(test)
    return Sets(settings, measured(train), real, real, NAMES, "pixels", torch.device("cpu"))


def test_the_metric_gives_every_score_and_what_the_report_shows(
    train_digits: ImageSet, test_digits: ImageSet
) -> None:
    found = ClassDiversityMetric().compute(_sets(train_digits, test_digits))
    assert set(found.values) == {score.name for score in ClassDiversityMetric.scores}
    assert found.values["class_recall_worst"] < found.values["class_recall_mean"] < 1
    per_class = found.details["precision_recall"]["per_class"]
    assert list(per_class) == list(NAMES)
    columns = quantity_by_class("precision_recall", "per_class", per_class)
    assert list(columns) == [
        "precision",
        "recall",
        "real precision",
        "real recall",
        "images",
        "alike",
        "real alike",
    ]
    assert found.warnings == ()
    assert found.findings == ()


@pytest.mark.parametrize("seed", range(3))
def test_shifted_labels_are_not_a_matter_of_variety(seed: int) -> None:
    """Sevens as nines come near to few nines, but vary: a low recall alone named them."""
    images, labels = load_digits(return_X_y=True)
    shown, rest = np.split(np.random.default_rng(seed).permutation(len(labels)), [900])
    images = images.astype(np.float32) / 16
    reached = []
    for shift in range(1, 10):
        moved = (labels[shown] + shift) % 10
        found = class_diversity(images[shown], moved, images[rest], labels[rest], 10, 3)
        assert narrow_classes(found, NAMES) is None
        reached += [shares.recall < shares.real_recall / 4 for shares in found.values()]
    assert sum(reached) > 70  # of 90: a low recall alone would name them


def test_few_images_stay_silent_or_are_left_out(
    train_digits: ImageSet, test_digits: ImageSet
) -> None:
    first = [np.flatnonzero(train_digits.labels == label)[0] for label in range(10)]
    for count, judged in ((3, 0), (5, 10)):
        shown = np.repeat(_flat(train_digits)[first], count, axis=0)
        found = _found(shown, np.repeat(np.arange(10), count), test_digits)
        assert len(found) == judged
        assert narrow_classes(found, NAMES) is None
