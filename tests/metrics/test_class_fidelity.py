from __future__ import annotations

import numpy as np
import pytest

from contragan.metrics.class_fidelity import (
    ClassFidelity,
    LinearProbe,
    fidelity_of_predictions,
    fit_probe,
)

NAMES = tuple("abcdefghij")


def _fidelity(shown: np.ndarray, labels: np.ndarray) -> ClassFidelity:
    real = np.arange(10).repeat(50)
    return fidelity_of_predictions(shown, labels, held_out=(real, real), class_names=NAMES)


def _labels(per_class: int = 50) -> np.ndarray:
    return np.arange(10).repeat(per_class)


def test_probe_matches_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    from contragan.metrics.class_fidelity import PROBE_PENALTY

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 600)
    centres = rng.normal(size=(4, 12))
    features = (centres[labels] + rng.normal(size=(600, 12))).astype(np.float32) * 3 + 5
    probe = fit_probe(features, labels, 4)
    standard = (features - features.mean(0)) / features.std(0)
    theirs = LogisticRegression(C=1 / (600 * PROBE_PENALTY), max_iter=500).fit(standard, labels)
    np.testing.assert_allclose(probe.weight.numpy(), theirs.coef_, atol=5e-3)
    assert (probe.predict(features) == theirs.predict(standard)).mean() > 0.995
    copy = LinearProbe.from_arrays(probe.arrays())
    assert (copy.predict(features) == probe.predict(features)).all()


def test_probe_ignores_features_that_never_vary() -> None:
    features = np.zeros((40, 3), np.float32)
    features[:, 0] = np.arange(40) % 2
    probe = fit_probe(features, np.arange(40) % 2, 2)
    assert (probe.predict(features) == np.arange(40) % 2).all()
    assert (probe.weight[:, 1:] == 0).all()


def test_faithful_classes_are_not_called_permuted() -> None:
    labels = _labels()
    found = _fidelity(labels, labels)
    assert found.accuracy == found.relabelled_accuracy == found.real_accuracy == 1.0
    assert not found.permuted
    assert found.permutation == {}
    assert found.message() is None


@pytest.mark.parametrize("swapped", [2, 3, 10])
def test_permuted_classes_are_named(swapped: int) -> None:
    labels = _labels()
    order = np.arange(10)
    order[:swapped] = np.roll(order[:swapped], -1)
    rng = np.random.default_rng(0)
    noise = rng.random(len(labels)) < 0.15
    shown = np.where(noise, rng.integers(0, 10, len(labels)), order[labels])
    found = _fidelity(shown, labels)
    assert found.permutation == {index: int(order[index]) for index in range(swapped)}
    assert found.permuted
    assert found.relabelled_accuracy > found.accuracy + 0.1
    message = found.message()
    assert message is not None
    assert "a shows b" in message
    assert "conditioning.positives_in_numerator: false" in message
    assert found.to_dict()["permutation"]["a"] == "b"


def test_confusion_and_collapse_are_not_permutation() -> None:
    labels = _labels()
    rng = np.random.default_rng(0)
    random = _fidelity(rng.integers(0, 10, len(labels)), labels)
    assert not random.permuted
    collapsed = _fidelity(np.where(labels < 5, 1, labels), labels)
    assert collapsed.accuracy == pytest.approx(0.6)
    assert not collapsed.permuted
    # Half the images of a and b are exchanged: neither plainly shows the other.
    halves = labels.copy()
    halves[:100][::2] = 1 - halves[:100][::2]
    assert not _fidelity(halves, labels).permuted


def test_few_images_never_decide() -> None:
    labels = _labels(3)
    assert not _fidelity((labels + 1) % 10, labels).permuted
    assert _fidelity((_labels(20) + 1) % 10, _labels(20)).permuted


def test_a_weak_probe_lowers_the_bar() -> None:
    labels = _labels(200)
    rng = np.random.default_rng(0)
    blur = rng.random(len(labels)) < 0.6
    shown = np.where(blur, rng.integers(0, 10, len(labels)), (labels + 1) % 10)
    assert not _fidelity(shown, labels).permuted  # 46% against a probe that is always right
    real = _labels(200)
    seen = np.where(blur, rng.integers(0, 10, len(real)), real)
    weak = fidelity_of_predictions(shown, labels, held_out=(seen, real), class_names=NAMES)
    assert len(weak.permutation) == 10


def test_absent_classes_are_none() -> None:
    labels = np.zeros(20, dtype=np.int64)
    found = _fidelity(labels, labels)
    assert found.to_dict()["class_accuracy"]["a"] == 1.0
    assert found.to_dict()["class_accuracy"]["b"] is None
    with pytest.raises(ValueError, match="no images"):
        _fidelity(labels[:0], labels[:0])
