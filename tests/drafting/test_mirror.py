"""Whether mirroring changes classes: digits it changes, and shapes without a side it does not."""

import numpy as np
import pytest

from contragan.drafting.mirror import verdict

NAMES = ("left", "right", "ring")


def features(kinds: np.ndarray, seed: int) -> np.ndarray:
    """One direction for each kind, with noise that leaves no doubt."""
    random = np.random.default_rng(seed)
    rows = np.eye(8)[kinds] * 4
    found: np.ndarray = (rows + random.normal(0, 0.3, rows.shape)).astype(np.float32)
    return found


def test_classes_that_mirroring_exchanges_are_named() -> None:
    labels = np.repeat([0, 1, 2], 40)
    mirrored = np.array([1, 0, 2])[labels]
    found = verdict(features(labels, 0), features(mirrored, 1), labels, NAMES)
    assert not found.safe
    assert found.why == (
        "the class probe is right on 100%, and on 33% mirrored: it changes left, right"
    )


def test_images_without_a_side_may_be_mirrored() -> None:
    labels = np.repeat([0, 1, 2], 40)
    found = verdict(features(labels, 0), features(labels, 1), labels, NAMES)
    assert found.safe
    assert found.why == "the class probe is right on 100%, and on 100% mirrored"


@pytest.mark.parametrize("reason", ["few", "alike"])
def test_where_nobody_can_tell_images_are_not_mirrored(reason: str) -> None:
    labels = np.repeat([0, 1, 2], 3 if reason == "few" else 40)
    same = features(np.zeros_like(labels), 0)
    found = verdict(same, same, labels, NAMES)
    assert not found.safe
    assert ("too few labelled images" if reason == "few" else "too few to tell") in found.why


def test_a_loss_by_chance_does_not_count() -> None:
    labels = np.repeat([0, 1, 2], 20)
    kinds = labels.copy()
    kinds[1] = 1  # one image of thirty that are asked about
    found = verdict(features(labels, 0), features(kinds, 0), labels, NAMES)
    assert found.safe
