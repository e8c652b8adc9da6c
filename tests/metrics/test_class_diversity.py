from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from contragan.evaluation.reference import ImageSet
from contragan.metrics.base import MeasuredSet, Sets
from contragan.metrics.class_diversity import (
    ClassDiversity,
    ClassDiversityMetric,
    class_diversity,
    narrow_classes,
)
from contragan.report.classes import _by_class

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
    text = narrow_classes(found, NAMES)
    assert text is not None
    assert text.startswith("1 of 10 classes: ")
    assert f"digit 1 ({found[1].recall:.0%}, as many real ones {found[1].real_recall:.0%}" in text


def test_images_that_miss_the_class_are_not_judged() -> None:
    assert ClassDiversity(0.9, 0.1, 0.9, 0.9, 30).narrow(0.001)
    assert not ClassDiversity(0.4, 0.1, 0.9, 0.9, 30).narrow(0.001)
    assert not ClassDiversity(0.9, 0.5, 0.9, 0.9, 30).narrow(0.001)
    assert not ClassDiversity(0.9, 0.0, 0.9, 0.9, 5).narrow(0.001)


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
    columns = _by_class("precision_recall", "per_class", per_class)
    assert list(columns) == ["precision", "recall", "real precision", "real recall", "images"]
    assert found.warnings == ()


def test_few_images_stay_silent_or_are_left_out(
    train_digits: ImageSet, test_digits: ImageSet
) -> None:
    first = [np.flatnonzero(train_digits.labels == label)[0] for label in range(10)]
    for count, judged in ((3, 0), (5, 10)):
        shown = np.repeat(_flat(train_digits)[first], count, axis=0)
        found = _found(shown, np.repeat(np.arange(10), count), test_digits)
        assert len(found) == judged
        assert narrow_classes(found, NAMES) is None
