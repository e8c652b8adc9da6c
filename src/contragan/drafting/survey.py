"""What a recipe has to know of a user's images, from a look at each file's head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from contragan.core.errors import UserError
from contragan.core.resolution import Resolution
from contragan.core.words import counted, shortened
from contragan.data.base import Labels
from contragan.data.file_source import Unreadable, opened
from contragan.data.preprocess import upright_size
from contragan.data.rare import TOO_FEW
from contragan.data.store import in_blocks
from contragan.inspection.aspect import large_enough, shape_in_words, shared_shape
from contragan.inspection.found import Found

AT_ONCE = 64

GREY = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})


@dataclass(frozen=True)
class Survey:
    """What was seen: ``sizes`` (M, 2) are width and height of the images that can be opened.

    ``train`` (K,) counts training images, ``num_test`` the others. ``unreadable`` files could not
    be opened, ``oblong`` is the share of images that lose a fifth or more when they are cropped to
    a square. ``notes`` say what was left out, and which images are held out for tests.
    """

    class_names: tuple[str, ...]
    train: Labels
    num_test: int
    sizes: NDArray[np.int64]
    grey: bool
    oblong: float
    unreadable: int
    notes: tuple[str, ...]

    @property
    def num_train(self) -> int:
        """Training images of all classes."""
        return int(self.train.sum())

    @property
    def labelled(self) -> bool:
        """Whether there are classes to tell apart."""
        return len(self.class_names) > 1

    @cached_property
    def sides(self) -> NDArray[np.int64]:
        """The shorter side of each image, (M,)."""
        shorter: NDArray[np.int64] = self.sizes.min(1)
        return shorter

    @cached_property
    def shape(self) -> float | None:
        """Width over height that most images share; None where a square serves as well."""
        return shared_shape(self.sizes[:, 0], self.sizes[:, 1])

    def large_enough(self, size: Resolution) -> float:
        """The share of images that do not have to be enlarged to that size."""
        return large_enough(size, self.sizes[:, 0], self.sizes[:, 1])

    def lines(self) -> list[str]:
        """What to tell of the images."""
        few, many = int(self.train.min()), int(self.train.max())
        classes = "without classes"
        if self.labelled:
            each = f"{few:,} of each" if few == many else f"{few:,} to {many:,} of each"
            classes = f"of {len(self.class_names):,} classes, {each}"
        middle = int(np.median(self.sides))
        text = f"shorter sides of {self.sides.min():,} to {self.sides.max():,} pixels, "
        text += f"half of them {middle:,} or more; {'grey' if self.grey else 'colour'}"
        found = [f"{self.num_train:,} training images {classes}", text]
        counts = zip(self.class_names, self.train, strict=True)
        small = [name for name, count in counts if count < TOO_FEW]
        if self.labelled and small:
            found.append(
                f"fewer than {TOO_FEW} images of {shortened(small)}: a generator learns little "
                "from so few"
            )
        if self.oblong >= 0.1:
            found.append(
                f"{self.oblong:.0%} of the images lose a fifth or more of their area when they "
                f"are cropped to squares; {self._without_cropping()}"
            )
        if self.unreadable:
            files = counted(self.unreadable, "file")
            found.append(f"{files} cannot be opened: contragan data check names each")
        found += [f"note: {line}" for line in self.notes]
        found.append("copies and wrong labels were not looked for: contragan data check does that")
        return found

    def _without_cropping(self) -> str:
        if self.shape is None:
            return "data.fit=pad keeps all of each, with a border"
        return f"most have about the shape of {shape_in_words(self.shape)}, as rectangles can have"


@dataclass(frozen=True)
class _Heads:
    sizes: list[tuple[int, int]]
    grey: bool
    unreadable: int


def survey(found: Found, progress: Callable[[int, int], None]) -> Survey:
    """Open every image without decoding it; ``progress`` hears how many are done, and of all.

    Raises:
        UserError: not one image can be opened.
    """
    counts = np.bincount(found.labels[~found.is_test], minlength=len(found.class_names))
    sizes: list[tuple[int, int]] = []
    grey, unreadable = True, 0
    for heads in in_blocks(partial(_heads, found), len(found), AT_ONCE):
        sizes += heads.sizes
        grey &= heads.grey
        unreadable += heads.unreadable
        progress(len(sizes) + unreadable, len(found))
    if not sizes:
        raise UserError(f"no image of {found.path} can be opened: see contragan data check")
    both = np.array(sizes)
    short, long = both.min(1), both.max(1)
    return Survey(
        class_names=found.class_names,
        train=counts,
        num_test=int(found.is_test.sum()),
        sizes=both,
        grey=grey,
        oblong=float((short < 0.8 * long).mean()),
        unreadable=unreadable,
        notes=found.notes,
    )


def _heads(found: Found, start: int, stop: int) -> _Heads:
    sizes, grey, unreadable = [], True, 0
    for file in found.files[start:stop]:
        try:
            with opened(file.path) as image:
                sizes.append(upright_size(image))
                grey &= image.mode in GREY
        except Unreadable:
            unreadable += 1
    return _Heads(sizes, grey, unreadable)
