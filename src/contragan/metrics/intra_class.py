"""Fréchet distance within each class: sees permuted or collapsed classes where FID does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from contragan.errors import UserError
from contragan.metrics.frechet import frechet_distance


@dataclass(frozen=True)
class IntraClassDistance:
    """Fréchet distance of every class (K,), in the order of ``class_names``."""

    distances: NDArray[np.float64]
    class_names: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Mean over classes, each counting once."""
        return float(self.distances.mean())

    def worst(self, count: int = 5) -> list[tuple[str, float]]:
        """The classes with the largest distances, the worst first."""
        order = np.argsort(-self.distances, kind="stable")[:count]
        return [(self.class_names[index], float(self.distances[index])) for index in order]


def intra_class_distance(
    real: np.ndarray,
    real_labels: NDArray[np.int64],
    generated: np.ndarray,
    generated_labels: NDArray[np.int64],
    class_names: Sequence[str],
) -> IntraClassDistance:
    """Distances between features (N, D) and (M, D) of equal labels.

    UserError where a class has fewer than two images on either side.
    """
    for side, labels in (("real", real_labels), ("generated", generated_labels)):
        counts = np.bincount(labels, minlength=len(class_names))
        pairs = zip(class_names, counts.tolist(), strict=True)
        short = [f"{name} ({count})" for name, count in pairs if count < 2]
        if short:
            raise UserError(
                f"the intra-class distance needs at least 2 {side} images of every class, these "
                f"have fewer: {', '.join(short[:5])}{' ...' if len(short) > 5 else ''}"
            )
    distances = [
        frechet_distance(
            torch.from_numpy(np.array(real[real_labels == label])),
            torch.from_numpy(np.array(generated[generated_labels == label])),
        )
        for label in range(len(class_names))
    ]
    return IntraClassDistance(np.array(distances), tuple(class_names))
