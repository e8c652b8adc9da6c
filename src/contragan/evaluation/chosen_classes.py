"""Evaluating some classes only, on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from contragan.core.errors import UserError
from contragan.data import ImageDataset
from contragan.data.classes import select_classes
from contragan.evaluation.record import EvaluationRecord
from contragan.models import Generator


class GeneratorOfClasses(Generator):
    """A generator whose labels are positions among ``chosen`` classes of another.

    Raises:
        UserError: the other ignores labels.
    """

    chosen: Tensor

    def __init__(self, generator: Generator, chosen: Sequence[int]) -> None:
        if not generator.conditional:
            raise UserError(
                "--classes means nothing to a generator that ignores labels: leave it out"
            )
        super().__init__(latent_dim=generator.latent_dim, num_classes=len(chosen), conditional=True)
        self.generator = generator
        device = next(generator.parameters()).device
        self.register_buffer("chosen", torch.tensor(chosen, device=device), persistent=False)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        images: Tensor = self.generator(z, self.chosen[label])
        return images


def split_names(values: Sequence[str], class_names: Sequence[str]) -> list[str]:
    """Class names from ``values``: each one name, or several separated by commas."""
    names: list[str] = []
    for value in values:
        names += [value] if value in class_names else map(str.strip, value.split(","))
    return list(dict.fromkeys(names))


def named_classes(values: Sequence[str], images: ImageDataset) -> list[int]:
    """Indices of the named classes of a set; UserError, with the nearest, for unknown ones."""
    names = split_names(values, images.class_names)
    return select_classes(names, images.class_names, images.class_names, images.name)


def only_classes(images: ImageDataset, chosen: Sequence[int]) -> ImageDataset:
    """The images of the chosen classes, which keep the order that they have in the set.

    Raises:
        UserError: a class of which the set has no images.
    """
    order = sorted(set(chosen))
    counts = images.class_counts
    empty = [images.class_names[index] for index in order if not counts[index]]
    if empty:
        raise UserError(f"{images.name} {images.split} has no images of {', '.join(empty)}")
    place = np.full(images.num_classes, -1)
    place[order] = np.arange(len(order))
    labels = place[images.labels]
    rows = np.flatnonzero(labels >= 0)
    names = tuple(images.class_names[index] for index in order)
    digest = hashlib.sha256(repr((images.fingerprint, names)).encode()).hexdigest()[:32]
    return replace(
        images,
        images=images.images[rows],
        labels=labels[rows],
        class_names=names,
        fingerprint=digest,
    )


def with_classes(record: EvaluationRecord, names: Sequence[str]) -> EvaluationRecord:
    """The record, whose protocol says that only these classes were evaluated."""
    return replace(record, protocol={**record.protocol, "classes": list(names)})
