"""Whether images may be mirrored: a probe that knows the classes looks at their mirror images."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest

from contragan.core.words import shortened
from contragan.data.file_source import Unreadable
from contragan.features.extractor import FeatureExtractor
from contragan.inspection.found import Found
from contragan.inspection.images import examine
from contragan.metrics.probe import fit_probe

MOST_IMAGES, PER_CLASS, FEWEST = 800, 100, 8
"""Images looked at in all and of each class, and the fewest of a class that is looked at."""

AT_ONCE = 32

MOST_CLASSES = MOST_IMAGES // (2 * FEWEST)
"""Classes that are looked at: of more, too few images of each would be."""

TOO_FEW = "there are too few labelled images to tell whether it changes them"

KNOWN = 2.0
"""How many times better than guessing the probe must be to be asked."""

LOSS, LEVEL = 0.02, 0.01
"""Mirroring changes classes where it costs the probe more than this share of its answers, and
such a loss has at most this probability by chance."""


@dataclass(frozen=True)
class Mirroring:
    """Whether training images may be mirrored, and why."""

    safe: bool
    why: str


def mirroring(
    found: Found,
    extractor: FeatureExtractor,
    side: int,
    progress: Callable[[int, int], None],
) -> Mirroring:
    """Fit a probe to half of some images, and ask it about the other half and its mirror images.

    Where the probe is right less often about mirror images, and not by chance (an exact test of
    the answers that changed), mirroring changes what an image shows: digits and letters.
    """
    rows, labels = some_images(found)
    if not len(rows):
        return Mirroring(False, TOO_FEW)
    plain, mirrored, kept = [], [], []
    for at in range(0, len(rows), AT_ONCE):
        squares = []
        for place in range(at, min(at + AT_ONCE, len(rows))):
            row = int(rows[place])
            with suppress(Unreadable):
                squares.append(examine(found.files[row].path, found.reading(row), side)[1])
                kept.append(place)
        if squares:
            pixels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)
            plain.append(extractor(pixels).features.cpu().numpy())
            mirrored.append(extractor(pixels.flip(3)).features.cpu().numpy())
        progress(min(at + AT_ONCE, len(rows)), len(rows))
    if not kept:
        return Mirroring(False, "no image could be looked at")
    return verdict(np.concatenate(plain), np.concatenate(mirrored), labels[kept], found.class_names)


def verdict(
    plain: NDArray[np.float32],
    mirrored: NDArray[np.float32],
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
) -> Mirroring:
    """Whether mirroring keeps the classes of images, from features (N, D) of both; and why."""
    counts = np.bincount(labels, minlength=len(class_names))
    classes = np.flatnonzero(counts >= FEWEST)
    if len(classes) < 2:
        return Mirroring(False, TOO_FEW)
    place = np.full(len(class_names), -1)
    place[classes] = np.arange(len(classes))
    among = np.flatnonzero(place[labels] >= 0)
    fitted, asked = among[::2], among[1::2]
    probe = fit_probe(plain[fitted], place[labels[fitted]], len(classes))
    truth = place[labels[asked]]
    right = probe.predict(plain[asked]) == truth
    still = probe.predict(mirrored[asked]) == truth
    if right.mean() < KNOWN / len(classes):
        return Mirroring(
            False,
            f"the class probe is right on {right.mean():.0%} only, too few to tell whether it "
            "changes the classes",
        )
    lost, won = int((right & ~still).sum()), int((~right & still).sum())
    loss = right.mean() - still.mean()
    shares = f"the class probe is right on {right.mean():.0%}, and on {still.mean():.0%} mirrored"
    if loss > LOSS and binomtest(lost, lost + won, 0.5, "greater").pvalue <= LEVEL:
        fell = np.bincount(truth[right & ~still], minlength=len(classes))
        worst = [class_names[classes[k]] for k in np.argsort(-fell, kind="stable")[:3] if fell[k]]
        return Mirroring(False, f"{shares}: it changes {shortened(worst)}")
    return Mirroring(True, shares)


def some_images(found: Found) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of training images that tell of mirroring, and their labels, in the labels' order.

    Of each class as many, of at most :data:`MOST_CLASSES` chosen at random; none where fewer than
    two classes have enough images.
    """
    random = np.random.Generator(np.random.Philox(key=0))
    rows = random.permutation(np.flatnonzero(~found.is_test))
    large = np.flatnonzero(np.bincount(found.labels[rows], minlength=1) >= FEWEST)
    if len(large) < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if len(large) > MOST_CLASSES:
        large = random.permutation(large)[:MOST_CLASSES]
    rows = rows[np.isin(found.labels[rows], large)]
    rows = rows[np.argsort(found.labels[rows], kind="stable")]
    labels = found.labels[rows]
    turn = np.arange(len(rows)) - np.searchsorted(labels, labels)  # of an image in its class
    chosen = np.lexsort((labels, turn))
    chosen = chosen[turn[chosen] < PER_CLASS][:MOST_IMAGES]
    chosen = chosen[np.argsort(labels[chosen], kind="stable")]
    return rows[chosen], labels[chosen]
