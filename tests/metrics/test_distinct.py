from __future__ import annotations

import numpy as np
import pytest

from contragan.evaluation.reference import ImageSet
from contragan.metrics.bounds import ALARM_RATE
from contragan.metrics.distinct import DistinctCount, DistinctImages, collapse, count_distinct


def _flat(images: ImageSet) -> np.ndarray:
    return images.images.reshape(len(images.images), -1).astype(np.float32) / 255


@pytest.fixture
def digits(train_digits: ImageSet, test_digits: ImageSet) -> _Digits:
    return _Digits(train_digits, test_digits)


class _Digits:
    """Real digits as generated images, compared with other real ones."""

    def __init__(self, shown: ImageSet, real: ImageSet) -> None:
        rows = slice(0, len(real.images))
        self.shown, self.labels = _flat(shown)[rows], shown.labels[rows]
        self.real, self.real_labels, self.names = _flat(real), real.labels, real.class_names

    def count(self, shown: np.ndarray, labels: np.ndarray | None = None) -> DistinctImages:
        return count_distinct(
            shown,
            self.labels if labels is None else labels,
            self.real,
            self.real_labels,
            self.names,
            by_class=True,
        )

    def modes(self, count: int) -> np.ndarray:
        """Each class shows so many of its images, at random."""
        rng = np.random.default_rng(0)
        of_class = [np.flatnonzero(self.labels == label)[:count] for label in range(10)]
        return self.shown[[rng.choice(of_class[label]) for label in self.labels]]


def test_real_images_have_not_collapsed(digits: _Digits) -> None:
    found = digits.count(digits.shown)
    assert not found.collapsed
    assert found.collapsed_classes == ()
    assert collapse(found) == []
    assert found.overall.images == 597
    assert min(found.overall.distinct, found.overall.real) > 0.98 * 597


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
def test_noise_is_no_collapse(digits: _Digits, noise: float) -> None:
    rng = np.random.default_rng(1)
    found = digits.count(digits.shown + rng.normal(scale=noise, size=digits.shown.shape))
    assert collapse(found) == []


def test_less_variety_is_no_collapse(digits: _Digits) -> None:
    """As at a low truncation: everything lies nearer to the mean of its class."""
    means = np.stack([digits.shown[digits.labels == label].mean(0) for label in range(10)])
    for spread in (0.8, 0.6):
        towards = means[digits.labels] + spread * (digits.shown - means[digits.labels])
        assert collapse(digits.count(towards)) == []
    nothing_left = means[digits.labels] + 0.1 * (digits.shown - means[digits.labels])
    assert digits.count(nothing_left).overall.distinct == 10


@pytest.mark.parametrize("modes", [1, 3, 10])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_dropped_modes_are_counted(digits: _Digits, modes: int, noise: float) -> None:
    rng = np.random.default_rng(2)
    shown = digits.modes(modes)
    found = digits.count(shown + rng.normal(scale=noise, size=shown.shape))
    assert found.collapsed
    assert found.collapsed_classes == tuple(range(10))
    assert found.overall.distinct == pytest.approx(10 * modes, abs=2)
    assert {found.by_class[label].distinct for label in range(10)} == {modes}
    (finding,) = collapse(found)
    first = found.by_class[0]
    assert finding.kind == "collapsed"
    assert finding.text == (
        f"The generator has collapsed: among 597 images {found.overall.distinct} are distinct, "
        f"among as many real ones {found.overall.real}. By class: "
        + ", ".join(
            f"digit {label} ({modes} of {count.images}, real {count.real})"
            for label, count in found.by_class.items()
        )
        + "."
    )
    assert first.images > 40


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_one_image_shown_ten_times(digits: _Digits, noise: float) -> None:
    rows = np.concatenate([np.flatnonzero(digits.labels == label)[:10] for label in range(10)])
    shown, labels = digits.shown[rows], digits.labels[rows]
    assert collapse(digits.count(shown, labels)) == []  # a small sample is not a collapse
    shown[labels == 0] = shown[0]
    shown = shown + np.random.default_rng(0).normal(scale=noise, size=shown.shape)
    found = digits.count(shown, labels)
    assert not found.collapsed
    assert found.collapsed_classes == (0,)
    (finding,) = collapse(found)
    assert finding.text == (
        "1 of 10 classes has collapsed to few distinct images: digit 0 (1 of 10, real 10)."
    )


def test_few_images_never_decide_within_a_class(digits: _Digits) -> None:
    rows = np.concatenate([np.flatnonzero(digits.labels == label)[:3] for label in range(10)])
    shown, labels = digits.shown[rows], digits.labels[rows]
    assert collapse(digits.count(shown, labels)) == []
    every = digits.count(shown[np.arange(30) // 3 * 3], labels)  # one image of each class
    assert every.collapsed_classes == ()
    assert every.collapsed  # 10 of 30 over all
    assert digits.count(shown[:1], labels[:1]).overall == DistinctCount(1, 1, 1)


def test_duplicates_among_real_images_are_allowed_for(digits: _Digits) -> None:
    twice = digits.shown[np.arange(597) // 4 * 4]
    labels = digits.labels[np.arange(597) // 4 * 4]
    assert count_distinct(
        twice, labels, digits.real, digits.real_labels, digits.names, by_class=False
    ).collapsed
    assert not count_distinct(
        twice, labels, twice, labels, digits.names, by_class=False
    ).collapsed  # the data itself is like that


def test_labels_of_an_unconditional_generator_are_not_looked_at(digits: _Digits) -> None:
    shown = digits.shown.copy()
    shown[digits.labels == 0] = shown[digits.labels == 0][0]
    arguments = (shown, digits.labels, digits.real, digits.real_labels, digits.names)
    assert count_distinct(*arguments, by_class=True).collapsed_classes == (0,)
    assert count_distinct(*arguments, by_class=False).by_class == {}


def test_false_alarms_stay_below_the_stated_rate() -> None:
    """Halves of one distribution in few dimensions, where near neighbours are common."""
    rng = np.random.default_rng(0)
    labels = np.arange(5).repeat(8)
    alarms = sum(
        bool(
            collapse(
                count_distinct(
                    rng.normal(size=(40, 2)),
                    labels,
                    rng.normal(size=(40, 2)),
                    labels,
                    tuple("abcde"),
                    by_class=True,
                )
            )
        )
        for _ in range(300)
    )
    assert alarms <= 300 * ALARM_RATE
