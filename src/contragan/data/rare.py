"""Classes that have few images: how often they are drawn, and what to say of them."""

from __future__ import annotations

from contragan.core.words import shortened
from contragan.data.base import ImageDataset, Labels
from contragan.data.sampler import Sampling

TINY = 10
"""Images of a class below which nothing can be learnt of it."""

TOO_FEW = 50
"""Images below which what is learnt of a class is hardly more than those images. With a hundred,
GANs that are augmented or start from a trained one have been trained (Zhao et al. 2020, Mo et al.
2020)."""

JUDGED = 20
"""Images of a class from which a linear probe of features learns enough to doubt its labels."""

TESTED = 10
"""Test images of a class below which a score of it alone says little."""

UNEQUAL = 10
"""Times the images of the smallest class from which the largest is said to outweigh it."""


def drawn_counts(train: ImageDataset, sampling: Sampling) -> Labels:
    """How often each class is drawn in training, (K,), up to a common factor."""
    counts = train.class_counts
    return counts if sampling == "natural" else (counts > 0).astype(counts.dtype)


def rare_classes(train: ImageDataset, sampling: Sampling) -> list[str]:
    """Sentences on classes that have too few images to learn from, or far fewer than others."""
    counts = train.class_counts
    if train.num_classes < 2:
        return []
    lines = []
    few = [int(label) for label in counts.argsort(kind="stable") if counts[label] < TOO_FEW]
    if few:
        named = shortened([f"{train.class_names[label]} {counts[label]}" for label in few], 6)
        has = "1 class has" if len(few) == 1 else f"{len(few):,} classes have"
        lines.append(
            f"warning: {has} fewer than {TOO_FEW} training images ({named}), too few to learn "
            "from: expect near copies of them, or images of other classes. More images help most, "
            "then --from RUN and augmentation (docs/fine-tuning.md); data.classes leaves classes "
            "out"
        )
    largest, smallest = int(counts.argmax()), int(counts.argmin())
    if sampling == "natural" and counts[largest] >= UNEQUAL * max(counts[smallest], 1):
        times = counts[largest] // max(counts[smallest], 1)
        lines.append(
            f"note: {train.class_names[largest]} is drawn {times} times as often as "
            f"{train.class_names[smallest]}, as it has so many more images: data.sampling=balanced "
            "draws all classes equally often"
        )
    return lines
