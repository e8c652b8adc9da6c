from __future__ import annotations

import numpy as np
import pytest

from contragan.metrics.findings import Kind
from contragan.metrics.label_agreement import ClassFidelity, fidelity_of_predictions
from contragan.metrics.label_faults import label_faults
from contragan.metrics.probe import PROBE_PENALTY, LinearProbe, fit_probe

NAMES = tuple("abcdefghij")


def _fidelity(
    shown: np.ndarray, labels: np.ndarray, conditional: bool | None = None
) -> ClassFidelity:
    real = np.arange(10).repeat(50)
    return fidelity_of_predictions(
        shown, labels, held_out=(real, real), class_names=NAMES, conditional=conditional
    )


def _labels(per_class: int = 50) -> np.ndarray:
    return np.arange(10).repeat(per_class)


def _noisy(shown: np.ndarray, right: float, seed: int = 0) -> np.ndarray:
    """The classes shown, as a probe sees them that is right so often and errs evenly."""
    rng = np.random.default_rng(seed)
    wrong = (shown + rng.integers(1, 10, len(shown))) % 10
    return np.where(rng.random(len(shown)) < right, shown, wrong)


def _seen(
    shown: np.ndarray, labels: np.ndarray, right: float = 0.92, conditional: bool | None = None
) -> ClassFidelity:
    """The same with a probe that errs on real images as often as on generated ones."""
    real = _labels(100)
    return fidelity_of_predictions(
        _noisy(shown, right),
        labels,
        held_out=(_noisy(real, right, 1), real),
        class_names=NAMES,
        conditional=conditional,
    )


def _texts(found: ClassFidelity) -> dict[Kind, str]:
    return {finding.kind: finding.text for finding in label_faults(found)}


def test_probe_matches_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 600)
    centres = rng.normal(size=(4, 12))
    features = (centres[labels] + rng.normal(size=(600, 12))).astype(np.float32) * 3 + 5
    told: list[tuple[int, int]] = []
    probe = fit_probe(features, labels, 4, lambda done, of: told.append((done, of)))
    assert told[:3] == [(1, 100), (2, 100), (3, 100)]
    assert told[-1] == (100, 100)
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


def test_faithful_classes_have_no_faults() -> None:
    found = _fidelity(_labels(), _labels())
    assert found.accuracy == found.relabelled_accuracy == found.real_accuracy == 1.0
    assert label_faults(found) == []
    record = found.to_dict()
    assert (record["permuted"], record["confused"]) == (False, False)
    assert record["permutation"] == {}
    assert record["merged"] == record["lost"] == record["missing"] == []
    assert label_faults(_seen(_labels(), _labels())) == []
    assert label_faults(_seen(_labels(), _labels(), right=0.5)) == []


@pytest.mark.parametrize("swapped", [2, 3, 10])
def test_permuted_classes_are_named(swapped: int) -> None:
    labels = _labels()
    order = np.arange(10)
    order[:swapped] = np.roll(order[:swapped], -1)
    found = _fidelity(_noisy(order[labels], 0.87), labels)
    assert found.verdict.permutation == {index: int(order[index]) for index in range(swapped)}
    assert found.verdict.merged == ()
    assert found.verdict.lost == ()
    assert found.relabelled_accuracy > found.accuracy + 0.1
    assert set(_texts(found)) == {"permuted"}
    assert f"has permuted {swapped} of its 10 classes: a shows b (" in _texts(found)["permuted"]
    record = found.to_dict()
    assert record["permuted"] is True
    assert record["permutation"]["a"] == "b"


def test_one_class_that_shows_anothers_images_is_merged() -> None:
    """Accuracy .81 of .92: once without a message."""
    labels = _labels(100)
    found = _seen(np.where(labels == 3, 8, labels), labels)
    assert found.accuracy == pytest.approx(0.83, abs=0.03)
    assert set(_texts(found)) == {"merged"}
    assert _texts(found)["merged"].startswith("Classes are merged: d and i both show i (")
    assert found.to_dict()["merged"] == [{"classes": ["d", "i"], "shown": "i"}]
    assert found.to_dict()["permuted"] is False


def test_four_classes_that_show_one_are_merged() -> None:
    """Accuracy .55: once without a message."""
    labels = _labels(100)
    found = _seen(np.where(np.isin(labels, [3, 5, 6, 8]), 8, labels), labels)
    assert set(_texts(found)) == {"merged"}
    assert "d, f, g and i all show i (" in _texts(found)["merged"]


def test_merged_pairs_are_not_permuted() -> None:
    """Five merged pairs: once "permuted 3 of 10"."""
    labels = _labels(100)
    found = _seen(labels // 2 * 2, labels)
    assert set(_texts(found)) == {"merged"}
    assert [group.classes for group in found.verdict.merged] == [
        (0, 1), (2, 3), (4, 5), (6, 7), (8, 9)
    ]  # fmt: skip
    assert "; c and d both show c (" in _texts(found)["merged"]


def test_unconditional_generators_get_no_verdict_on_labels() -> None:
    """One that shows two classes: once "permuted 2 of its 10 classes"."""
    labels = _labels(100)
    shown = np.where(np.random.default_rng(0).random(len(labels)) < 0.5, 3, 8)
    found = _seen(shown, labels, conditional=False)
    record = found.to_dict()
    assert (record["permuted"], record["confused"], record["conditional"]) == (False, False, False)
    assert record["merged"] == record["lost"] == []
    assert set(_texts(found)) == {"missing"}
    assert record["missing"] == list("abcefghj")
    assert "8 of 10 classes are hardly ever drawn: a (" in _texts(found)["missing"]
    # All classes at random are what such a generator should show.
    healthy = np.random.default_rng(0).permutation(labels)
    assert label_faults(_seen(healthy, labels, conditional=False)) == []


def test_a_conditional_generator_of_two_classes_is_merged() -> None:
    labels = _labels(100)
    found = _seen(np.where(labels < 5, 3, 8), labels)
    assert set(_texts(found)) == {"merged"}
    assert [group.classes for group in found.verdict.merged] == [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9)]


def test_a_class_that_shows_nothing_in_particular_is_lost() -> None:
    labels = _labels(100)
    anything = np.random.default_rng(0).integers(0, 10, len(labels))
    found = _seen(np.where(labels == 4, anything, labels), labels)
    assert set(_texts(found)) == {"lost"}
    assert found.to_dict()["lost"] == ["e"]
    text = _texts(found)["lost"]
    assert text.startswith("1 of 10 classes is lost: e (")
    assert "% of its images show it, where 86% of real ones do; the probe sees " in text


def test_images_that_ignore_their_labels_are_confused() -> None:
    labels = _labels(100)
    anything = np.random.default_rng(0).integers(0, 10, len(labels))
    found = _seen(anything, labels)
    assert set(_texts(found)) == {"confused"}
    assert found.to_dict()["confused"] is True
    assert "The labels hardly decide what is drawn: 9.5% of the images" in _texts(found)["confused"]
    assert " 10 of 10 classes are lost: a (" in _texts(found)["confused"]
    assert ", j (3% show it)." in _texts(found)["confused"]
    # Too few images to judge a class are enough to judge all of them.
    few = np.random.default_rng(1).permutation(30) % 10
    assert set(_texts(_seen(few, _labels(3)))) == {"confused"}


def test_half_of_the_images_are_not_all_of_them() -> None:
    labels = _labels()
    halves = labels.copy()
    halves[:100][::2] = 1 - halves[:100][::2]  # half the images of a and b are exchanged
    assert label_faults(_fidelity(halves, labels)) == []


def test_an_exchange_that_a_third_class_joins() -> None:
    labels = _labels()
    order = np.arange(10)
    order[[0, 1, 4]] = [1, 0, 0]
    verdict = _fidelity(order[labels], labels).verdict
    assert verdict.permutation == {0: 1, 1: 0}
    assert [(group.classes, group.shown) for group in verdict.merged] == [((1, 4), 0)]


def test_a_chain_moves_the_first_and_merges_the_last() -> None:
    labels = _labels()
    order = np.arange(10)
    order[[0, 1]] = [1, 2]  # a shows b, b shows c, c itself
    verdict = _fidelity(order[labels], labels).verdict
    assert verdict.permutation == {0: 1}
    assert [(group.classes, group.shown) for group in verdict.merged] == [((1, 2), 2)]


def test_few_images_never_decide() -> None:
    assert not _fidelity((_labels(3) + 1) % 10, _labels(3)).verdict.permutation
    assert len(_fidelity((_labels(20) + 1) % 10, _labels(20)).verdict.permutation) == 10


def test_a_weak_probe_lowers_the_bar() -> None:
    labels = _labels(400)
    shown = _noisy((labels + 1) % 10, 0.4)
    # 40% against a probe that is always right: most of what the classes show is something else.
    assert set(_texts(_fidelity(shown, labels))) == {"confused"}
    real = _labels(400)
    weak = fidelity_of_predictions(
        shown, labels, held_out=(_noisy(real, 0.4, 1), real), class_names=NAMES
    )
    assert len(weak.verdict.permutation) == 10
    # One that favours a class calls no class merged into it.
    biased = np.where(np.random.default_rng(3).random(4000) < 0.5, 9, real)
    assert label_faults(
        fidelity_of_predictions(biased, labels, held_out=(biased, real), class_names=NAMES)
    ) == []  # fmt: skip


def test_long_lists_are_cut() -> None:
    count = 40
    names = tuple(f"class{index}" for index in range(count))
    labels = np.arange(count).repeat(50)
    held = (labels, labels)

    def text(shown: np.ndarray) -> str:
        found = fidelity_of_predictions(shown, labels, held_out=held, class_names=names)
        (finding,) = label_faults(found)
        return finding.text

    assert "class9 shows class10 (100%) and 30 more. " in text((labels + 1) % count)
    assert "class9 and 30 more all show class0 (100%, " in text(labels * 0)
    assert text(labels // 2 * 2).count("both show") == 10


def test_absent_classes_are_none() -> None:
    labels = np.zeros(20, dtype=np.int64)
    found = _fidelity(labels, labels)
    assert found.to_dict()["class_accuracy"]["a"] == 1.0
    assert found.to_dict()["class_accuracy"]["b"] is None
    assert label_faults(found) == []
    with pytest.raises(ValueError, match="no images"):
        _fidelity(labels[:0], labels[:0])


@pytest.mark.parametrize("seed", range(20))
def test_relabelling_never_lowers_the_accuracy(seed: int) -> None:
    """Keeping every label is a relabelling too."""
    random = np.random.default_rng(seed)
    labels = random.integers(10, size=200)
    shown = np.where(random.random(200) < seed / 20, labels, random.integers(10, size=200))
    found = _fidelity(shown[labels < 7], labels[labels < 7])  # three classes were never drawn
    assert 1 >= found.relabelled_accuracy >= found.accuracy
    cycled = _fidelity((labels + 1) % 10, labels)
    assert (cycled.accuracy, cycled.relabelled_accuracy) == (0, 1)
