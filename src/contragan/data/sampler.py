"""The order in which images are seen, and the labels of those to generate."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contragan.core.randomness import derived_seed
from contragan.data.base import Labels


class EpochSampler:
    """An endless sequence of image indices: one shuffle of all images after the other.

    It has no state to save: position p lies in epoch p // num_images, whose shuffle depends on
    (seed, epoch) only. Safe to use from several threads.
    """

    def __init__(self, num_images: int, seed: int) -> None:
        if num_images < 1:
            raise ValueError("nothing to sample from")
        self.num_images = num_images
        self.seed = seed
        self._orders: dict[int, Labels] = {}
        self._lock = threading.Lock()

    def indices(self, position: int, count: int) -> Labels:
        """Image indices (count,) at positions ``position`` to ``position + count``."""
        epoch, offset = divmod(position, self.num_images)
        parts = []
        while count > 0:
            part = self._order(epoch)[offset : offset + count]
            parts.append(part)
            count -= len(part)
            epoch, offset = epoch + 1, 0
        return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, np.int64)])

    def _order(self, epoch: int) -> Labels:
        with self._lock:
            order = self._orders.get(epoch)
            if order is None:
                key = derived_seed(self.seed, "image order", epoch)
                order = np.random.Generator(np.random.Philox(key=key)).permutation(self.num_images)
                order.flags.writeable = False
                # Readers ahead may already be in the next epoch.
                self._orders = {e: o for e, o in self._orders.items() if abs(e - epoch) <= 1}
                self._orders[epoch] = order
            return order


class BalancedSampler:
    """An endless sequence of image indices in which every class comes equally often.

    It goes through rounds: each holds one image of each class that has any, in a shuffled order,
    and each class deals its images out in shuffles of its own. As with :class:`EpochSampler`,
    position p depends on (seed, p) only. Safe to use from several threads.
    """

    def __init__(self, labels: Labels, seed: int) -> None:
        if not len(labels):
            raise ValueError("nothing to sample from")
        self._rows = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        self._order = EpochSampler(len(self._rows), derived_seed(seed, "class order"))
        self._within = [
            EpochSampler(len(rows), derived_seed(seed, "class", index))
            for index, rows in enumerate(self._rows)
        ]

    def indices(self, position: int, count: int) -> Labels:
        """Image indices (count,) at positions ``position`` to ``position + count``."""
        classes = self._order.indices(position, count)
        rounds = np.arange(position, position + count) // len(self._rows)
        found = np.empty(count, np.int64)
        for label in np.unique(classes):
            # A class comes once per round, so its images lie at consecutive positions of its own.
            where = np.flatnonzero(classes == label)
            first = int(rounds[where[0]])
            images = self._within[label].indices(first, len(where))
            found[where] = self._rows[label][images]
        return found


Sampling = Literal["natural", "balanced"]


def coin_flips(seed: int, position: int, count: int) -> NDArray[np.bool_]:
    """Fair coin flips (count,), one for each position of the endless sequence.

    A flip depends on (seed, position) only, so it is the same however the sequence is cut into
    batches, on every device and on every process. The hash is SplitMix64 (Steele et al. 2014).
    """
    key = np.uint64(derived_seed(seed, "horizontal flip"))
    with np.errstate(over="ignore"):
        bits = np.arange(position, position + count).astype(np.uint64)
        bits = key + (bits + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((bits ^ (bits >> np.uint64(31))) & np.uint64(1)).astype(np.bool_)


class LabelSampler:
    """Draws labels of images to generate, on the device.

    ``mode`` "training" draws them with the frequencies of ``class_counts``, "uniform" all alike.
    """

    def __init__(
        self,
        class_counts: Labels | Sequence[int],
        mode: Literal["training", "uniform"],
        device: torch.device,
    ) -> None:
        counts = np.asarray(class_counts, np.float64)
        weights = counts if mode == "training" else np.ones_like(counts)
        cumulative = np.cumsum(weights) / np.sum(weights)
        self._cumulative = torch.tensor(cumulative, dtype=torch.float32, device=device)
        # Exactly 1 from the last class with any weight on, whatever was rounded before.
        self._cumulative[int(np.flatnonzero(weights)[-1]) :] = 1.0

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Labels (count,) int64; ``generator`` lives on the same device."""
        device = self._cumulative.device
        uniform = torch.rand(count, generator=generator, device=device)
        return torch.searchsorted(self._cumulative, uniform, right=True)
