"""What is wrong with a generator's classes, from what a classifier sees in its images.

Both confusion matrices count images by the class asked for (row) and the class seen (column): one
of generated images, one of real images that the classifier does not know. What the classifier
itself confuses is therefore never held against the generator.

A class is *off* where its images are seen as it less often than the middle between two real
shares: how often its own real images are seen as it, and how often other classes' are. Between
these, the middle is where half of the images are right. All shares enter with binomial bounds
whose level is divided by the number of classes, so a few images never decide. A class that is off

- *shows* another where more of its images are seen as the other than as itself, more than of its
  own real images, and at least half of them are the other by the same middle;
- is *lost* where it shows no class in particular.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contragan.metrics.bounds import ALARM_RATE, lower_bound, upper_bound

Labels = NDArray[np.int64]
Counts = tuple[Any, Any]
"""How many of some images have a property, and how many images there are."""


@dataclass(frozen=True)
class Merged:
    """``classes`` that all show the class ``shown``, which is among them if it shows itself."""

    classes: tuple[int, ...]
    shown: int


@dataclass(frozen=True)
class LabelVerdict:
    """Classes by index: what is wrong with each.

    ``permutation`` maps a class to the one it shows, where that one is itself shown elsewhere or
    nowhere: only then does relabelling help. ``confused`` says that over all images labels decide
    less than half of what they decide on real ones, beyond chance.
    """

    permutation: dict[int, int]
    merged: tuple[Merged, ...]
    lost: tuple[int, ...]
    confused: bool


def judge_labels(confusion: Labels, real: Labels) -> LabelVerdict:
    """Judges confusion matrices (K, K) of generated and of real images.

    Classes without real images or without generated ones are not judged, nor those which the
    classifier sees in real images of other classes half as often as in their own.
    """
    off = _off(confusion, real)
    shows = {index: shown for index in off if (shown := _shown(index, confusion, real)) is not None}
    cycles = _in_cycles(shows)
    sources: dict[int, list[int]] = {}
    for index, shown in shows.items():
        sources.setdefault(shown, []).append(index)
    permutation, merged = {index: shows[index] for index in cycles}, []
    for shown, found in sources.items():
        together = sorted([*found, *([shown] if _shows_itself(shown, confusion, real) else [])])
        if len(together) > 1:
            merged.append(Merged(tuple(together), shown))
        else:
            permutation |= dict.fromkeys(found, shown)
    return LabelVerdict(
        dict(sorted(permutation.items())),
        tuple(sorted(merged, key=lambda group: group.classes)),
        tuple(index for index in off if index not in shows),
        _confused(confusion, real),
    )


def missing_classes(confusion: Labels, real: Labels) -> tuple[int, ...]:
    """Classes that generated images, whatever their labels, show less than half as often as real.

    This is what can be said of an unconditional generator.
    """
    level = ALARM_RATE / (2 * len(confusion))
    shown = upper_bound(confusion.sum(0), confusion.sum(), level)
    typical = lower_bound(real.sum(0), real.sum(), level)
    return tuple(np.flatnonzero(shown < typical / 2).tolist())


def _off(confusion: Labels, real: Labels) -> list[int]:
    own, counts = np.diagonal(real), real.sum(1)
    mistaken, others = real.sum(0) - own, real.sum() - counts
    off = _below_middle(
        (np.diagonal(confusion), confusion.sum(1)),
        (own, counts),
        (mistaken, others),
        ALARM_RATE / len(confusion),
    )
    off &= own * others > 2 * mistaken * counts  # else the class is not told apart
    return [int(index) for index in np.flatnonzero(off)]


def _below_middle(
    seen: Counts, recall: Counts, mistaken: Counts, level: float
) -> NDArray[np.bool_]:
    """Whether the share seen lies below the middle of the two others, and not by chance.

    The bound on the difference has the distances of the three shares from their own bounds, squared
    and added (Zou and Donner 2008).
    """
    found, high, low = (part / np.maximum(whole, 1) for part, whole in (seen, recall, mistaken))
    slack = (
        np.square(upper_bound(*seen, level) - found)
        + np.square((high - lower_bound(*recall, level)) / 2)
        + np.square((low - lower_bound(*mistaken, level)) / 2)
    )
    return np.asarray((high > low) & ((high + low) / 2 - found > np.sqrt(slack)))


def _shown(index: int, confusion: Labels, real: Labels) -> int | None:
    """The class that an off class shows, if there is one and it stands out."""
    level = ALARM_RATE / (3 * len(confusion))
    row, count, own = confusion[index], confusion[index].sum(), confusion[index, index]
    more = np.flatnonzero(row > own)
    surely = lower_bound(row[more], row[more] + own, level) > 1 / 2
    surely &= lower_bound(row[more], count, level) > upper_bound(
        real[index, more], real[index].sum(), level
    )
    candidates = more[surely]
    counts, hits = real.sum(1), real[candidates, candidates]
    # A class without real images is taken to be seen always.
    recall = np.where(counts[candidates] > 0, hits / np.maximum(counts[candidates], 1), 1.0)
    others = np.maximum(real.sum() - counts[candidates], 1)
    mistaken = (real[:, candidates].sum(0) - hits) / others
    mistaken = np.maximum(mistaken, real[index, candidates] / max(counts[index], 1))
    # The part of the images that are the candidate's: 0 at what is mistaken, 1 at its own recall.
    told_apart = recall > mistaken
    reach = np.where(told_apart, recall - mistaken, 1.0)
    part = np.where(told_apart, (row[candidates] / count - mistaken) / reach, 0.0)
    best = np.flatnonzero(part == part.max()) if len(part) else np.zeros(0, np.int64)
    if len(best) != 1 or part[best[0]] < 1 / 2:
        return None
    return int(candidates[best[0]])


def _shows_itself(index: int, confusion: Labels, real: Labels) -> bool:
    """Whether a class is, at the counts as they are, above the middle that :func:`_off` bounds."""
    count, own = real[index].sum(), real[index, index]
    recall = own / count if count else 1.0
    mistaken = (real[:, index].sum() - own) / max(real.sum() - count, 1)
    return bool(confusion[index, index] > confusion[index].sum() * (recall + mistaken) / 2)


def _in_cycles(shows: dict[int, int]) -> list[int]:
    """Members of the cycles of the map: classes that exchange their images among themselves."""
    found = set(shows)
    while (shown := {shows[index] for index in found} & set(shows)) != found:
        found = shown  # a class that none of them shows is in no cycle
    return sorted(found)


def _confused(confusion: Labels, real: Labels) -> bool:
    """Whether labels decide less than half of what they would, were the images real.

    Every class counts alike, so that chance is the same for all.
    """
    known = (real.sum(1) > 0) & (confusion.sum(1) > 0)
    classes = int(known.sum())
    if classes < 2:
        return False

    def mean_recall(matrix: Labels) -> Counts:
        counts = matrix.sum(1)[known]
        worth = classes**2 / (1 / counts).sum()  # what so unequal classes are worth together
        return float((np.diagonal(matrix)[known] / counts).mean() * worth), worth

    seen = mean_recall(confusion)
    chance = (seen[1] / classes, seen[1])
    return bool(_below_middle(seen, mean_recall(real), chance, ALARM_RATE))
