"""Copies and labels, on features made up for it."""

from __future__ import annotations

import numpy as np
import pytest

from contragan.inspection import copies
from contragan.inspection.copies import find_copies
from contragan.inspection.images import SKETCH, Facts, Images
from contragan.inspection.labels import judge, obstacle

LABELS = np.arange(40) % 4


def _nothing(done: int, total: int) -> None:
    pass


def _images(count: int, seed: int = 0) -> Images:
    """Unlike images: every two features and sketches are independent."""
    random = np.random.default_rng(seed)
    return Images(
        rows=np.arange(count),
        facts=[Facts(8, 8, "colour", "PNG", bytes([k])) for k in range(count)],
        sketches=random.integers(0, 256, (count, SKETCH**2), np.uint8),
        features=random.standard_normal((count, 64)).astype(np.float32),
    )


def test_unlike_images_are_no_copies() -> None:
    found = find_copies(_images(40), LABELS, _nothing)
    assert (found.exact, found.near, found.whole) == ([], [], True)
    assert sorted(found.groups.tolist()) == list(range(40))


def test_copies_need_alike_features_and_sketches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_AT_ONCE", 7)  # pairs within a part and across parts
    images = _images(40)
    for one, other in ((3, 4), (5, 30), (10, 39), (11, 20)):
        images.features[other] = images.features[one] * 3
    images.sketches[4] = images.sketches[3]
    images.sketches[30] = images.sketches[5].reshape(SKETCH, SKETCH)[:, ::-1].ravel()  # mirrored
    images.sketches[39] = images.sketches[10] // 2 + 60  # of less contrast
    images.facts[20] = images.facts[11]  # the same pixels: exact, and not near besides
    images.sketches[21] = images.sketches[2]  # alike, but not to the network
    found = find_copies(images, LABELS, _nothing)
    assert found.exact == [[11, 20]]
    assert sorted(found.near) == [(3, 4), (5, 30), (10, 39)]
    same = {(3, 4), (5, 30), (10, 39), (11, 20)}
    assert all(found.groups[one] == found.groups[other] for one, other in same)
    assert len(set(found.groups.tolist())) == 36


def test_images_of_a_class_that_are_alike_by_nature_are_no_copies() -> None:
    """As handwritten digits of one kind are."""
    images = _images(40)
    random = np.random.default_rng(2)
    common = random.integers(60, 200, (4, SKETCH**2))
    noise = random.integers(-12, 13, (40, SKETCH**2))
    images.features[:] = images.features[LABELS]
    images.sketches[:] = common[LABELS] + noise
    alike = np.corrcoef(images.sketches[0], images.sketches[4])[0, 1]
    assert alike > copies.SAME_PICTURE
    images.sketches[7] = images.sketches[3]
    assert find_copies(images, LABELS, _nothing).near == [(3, 7)]


def test_the_search_ends_where_everything_is_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MOST_PAIRS", 50)
    images = _images(40)
    images.features[:] = images.features[0]
    images.sketches[:] = images.sketches[0]
    found = find_copies(images, LABELS, _nothing)
    assert len(found.near) == 50
    assert not found.whole


def _clusters() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2, 3], [40, 40, 40, 5])
    centres = random.standard_normal((4, 32)) * 3
    features = centres[labels] + random.standard_normal((125, 32))
    return features.astype(np.float32), labels


def test_an_image_of_another_class_is_suspected() -> None:
    features, labels = _clusters()
    labels[[7, 50]] = 2
    verdict = judge(features, labels, np.arange(125), 4, _nothing)
    assert verdict is not None
    assert sorted(verdict.suspects) == [7, 50]
    assert verdict.likely[[7, 50]].tolist() == [0, 1]
    shares = verdict.accuracy(labels, 4)
    assert shares[:3] == pytest.approx([1, 1, 40 / 42])
    assert np.isnan(shares[3])  # too few images


def test_a_copy_does_not_vouch_for_a_label() -> None:
    features, labels = _clusters()
    # Six copies of one image of class 0, all called 2: told by none of the others.
    features[:6], labels[:6] = features[0], 2
    groups = np.arange(125)
    groups[:6] = 0
    verdict = judge(features, labels, groups, 4, _nothing)
    assert verdict is not None
    assert sorted(verdict.suspects) == list(range(6))


def test_why_labels_are_not_judged_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = _clusters()
    assert obstacle(labels, 4) is None
    for given, why in (
        (labels * 0, "only one class has 20 images or more, and it takes two such classes"),
        (np.arange(125), "no class has 20 images or more, and it takes two such classes"),
    ):
        assert obstacle(given, 125) == why
        assert judge(features, given, np.arange(125), 125, _nothing) is None
    monkeypatch.setattr("contragan.inspection.labels.MOST_WORK", 374)
    assert "125 images of 3 classes are so many" in (obstacle(labels, 4) or "")
    assert judge(features, labels, np.arange(125), 4, _nothing) is None
    monkeypatch.setattr("contragan.inspection.labels.MOST_WORK", 375)
    assert obstacle(labels, 4) is None
