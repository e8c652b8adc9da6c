"""Images that are there more than once: the same pixels, or the same picture once more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contragan.data.base import Labels
from contragan.inspection.images import SKETCH, Images

ALIKE = 0.7
"""Cosine similarity of features from which two images may be copies."""

SAME_PICTURE, SURELY_SAME = 0.95, 0.999
"""Correlation of their sketches from which they are: alike in every part, mirrored or not. Where
images of a class are alike by nature, as digits are, more is asked, and never more than the second.
"""

CLOSER = 0.1
"""Copies differ at most by this share of what images of a class that are much alike differ by."""

MOST_PAIRS = 200_000
"""Near copies after which the search ends: such a set is one picture in many shades."""

_AT_ONCE = 512


@dataclass(frozen=True)
class Copies:
    """Positions among the images that can be read.

    ``exact`` are groups of the same pixels, ``near`` pairs of nearly the same picture, the nearest
    first. ``groups`` (M,) numbers images so that copies of each other have one number. ``whole`` is
    false where the search ended early.
    """

    exact: list[list[int]]
    near: list[tuple[int, int]]
    groups: NDArray[np.int64]
    whole: bool


def find_copies(images: Images, labels: Labels, progress: Callable[[int, int], None]) -> Copies:
    """All exact and near copies among ``images`` with ``labels`` (M,).

    ``progress`` hears how many were compared.
    """
    by_digest: dict[bytes, list[int]] = {}
    for place, facts in enumerate(images.facts):
        by_digest.setdefault(facts.digest, []).append(place)
    exact = [places for places in by_digest.values() if len(places) > 1]
    first = np.array([places[0] for places in by_digest.values()], np.int64)
    near, whole = _near(images, first, labels[first], progress)
    return Copies(exact, near, _groups(len(images.facts), exact, near), whole)


def _near(
    images: Images,
    chosen: NDArray[np.int64],
    labels: Labels,
    progress: Callable[[int, int], None],
) -> tuple[list[tuple[int, int]], bool]:
    """Pairs of the ``chosen`` images that are near copies, and whether these are all."""
    if not len(chosen):
        return [], True
    features = images.features[chosen]
    features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    sketches = _standardised(images.sketches[chosen])
    mirrored = sketches.reshape(-1, SKETCH, SKETCH)[:, :, ::-1].reshape(len(sketches), -1)
    needed = _needed(sketches, labels)
    found: list[tuple[float, int, int]] = []
    for start in range(0, len(chosen), _AT_ONCE):
        progress(start, len(chosen))
        alike = features[start : start + _AT_ONCE] @ features[start:].T
        left, right = np.nonzero(np.triu(alike >= ALIKE, 1))
        near = alike[left, right]
        left, right = left + start, right + start
        same = np.maximum(
            np.einsum("nd,nd->n", sketches[left], sketches[right]),
            np.einsum("nd,nd->n", sketches[left], mirrored[right]),
        )
        kept = np.flatnonzero(same >= needed)[: MOST_PAIRS - len(found)]
        pairs = zip(near[kept], chosen[left[kept]], chosen[right[kept]], strict=True)
        found += [(-float(likeness), int(one), int(other)) for likeness, one, other in pairs]
        if len(found) >= MOST_PAIRS:
            break
    progress(len(chosen), len(chosen))
    return [(one, other) for _, one, other in sorted(found)], len(found) < MOST_PAIRS


def _needed(sketches: NDArray[np.float32], labels: Labels) -> float:
    """The correlation of sketches that makes two images copies, in this set."""
    random = np.random.Generator(np.random.Philox(key=1))
    order = np.lexsort((random.random(len(labels)), labels))  # by class, shuffled within it
    one, other = order[:-1], order[1:]
    same_class = labels[one] == labels[other]
    one, other = one[same_class], other[same_class]
    if not len(one):
        return SAME_PICTURE
    alike = np.einsum("nd,nd->n", sketches[one], sketches[other])
    usual = float(np.percentile(alike, 90))
    return min(max(SAME_PICTURE, 1 - CLOSER * (1 - usual)), SURELY_SAME)


def _standardised(sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Sketches (N, D) with mean 0 and norm 1; all 0 where an image is one colour."""
    values = sketches.astype(np.float32)
    values -= values.mean(1, keepdims=True)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
    return values


def _groups(count: int, exact: list[list[int]], near: list[tuple[int, int]]) -> NDArray[np.int64]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = [*near, *((group[0], other) for group in exact for other in group[1:])]
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    links = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    numbers: NDArray[np.int64] = connected_components(links, directed=False)[1].astype(np.int64)
    return numbers
