"""Whether mirroring changes classes: digits it changes, and shapes without a side it does not."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from contragan.drafting.mirror import Mirroring, mirroring, some_images, verdict
from contragan.inspection.found import Found, find

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


def test_the_probe_is_asked_about_images_it_was_not_fitted_to() -> None:
    """Noise of more dimensions than images: the probe knows all that it was fitted to."""
    labels = np.repeat(np.arange(4), 20)
    noise = np.random.default_rng(3).normal(size=(80, 200)).astype(np.float32)
    found = verdict(noise, noise, labels, ("a", "b", "c", "d"))
    assert not found.safe
    assert "too few to tell" in found.why


def by_brightness(images: torch.Tensor) -> SimpleNamespace:
    """An extractor that sees where an image is bright, in four by four parts."""
    parts = torch.nn.functional.adaptive_avg_pool2d(images.float(), 4)
    return SimpleNamespace(features=parts.flatten(1))


def looked_at(root: Path, bright: dict[str, tuple[slice, slice]]) -> Mirroring:
    random = np.random.default_rng(0)
    for name, where in bright.items():
        (root / name).mkdir(parents=True)
        for index in range(24):
            pixels = random.integers(0, 60, (32, 32, 3), dtype=np.uint8)
            pixels[where] += 150
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    seen: list[tuple[int, int]] = []
    found = mirroring(find(root), by_brightness, 32, lambda *done: seen.append(done))  # type: ignore[arg-type]
    assert seen[-1] == (44, 44)  # test images are not looked at
    return found


def test_left_and_right_are_what_mirroring_exchanges(tmp_path: Path) -> None:
    left, right = np.s_[:, :16], np.s_[:, 16:]
    assert not looked_at(tmp_path / "sides", {"left": left, "right": right}).safe
    upper, lower = np.s_[:16], np.s_[16:]
    assert looked_at(tmp_path / "ends", {"upper": upper, "lower": lower}).safe  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("classes", "each", "looked_at", "of_each"),
    [(3, 300, 3, 100), (10, 300, 10, 80), (100, 500, 50, 16), (200, 10, 50, 10), (9, 7, 0, 0)],
)
def test_of_each_class_enough_images_are_looked_at(
    classes: int, each: int, looked_at: int, of_each: int
) -> None:
    labels = np.arange(2 * classes * each) % classes
    is_test = np.arange(len(labels)) >= classes * each
    rows, chosen = some_images(cast("Found", SimpleNamespace(labels=labels, is_test=is_test)))
    assert chosen.tolist() == sorted(labels[rows].tolist())
    assert not is_test[rows].any()
    counts = np.bincount(chosen, minlength=1)
    assert (counts > 0).sum() == looked_at
    assert set(counts[counts > 0].tolist()) == ({of_each} if of_each else set())
    assert len(set(rows.tolist())) == len(rows)
