"""Labelled images in memory, and the cached feature pass over real ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contragan.core.errors import UserError
from contragan.core.gaussian import rows_suffice
from contragan.features.cache import Statistics, StatisticsCache, cache_key
from contragan.features.feature_pass import FeaturePass, Keep
from contragan.metrics.probe import PROBE_SETTINGS, LinearProbe, fit_probe


class LabelledImages(Protocol):
    """Labelled images: uint8 (N, H, W, C) and labels (N,).

    ``fingerprint`` names the content: equal fingerprints must mean equal images in equal order.
    A data set of ``contragan.data`` is one as it stands.
    """

    @property
    def images(self) -> NDArray[np.uint8]: ...
    @property
    def labels(self) -> NDArray[np.int64]: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def split(self) -> str: ...


@dataclass(frozen=True)
class ImageSet:
    """A :class:`LabelledImages` held in memory."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    fingerprint: str
    name: str
    split: str


def shown_name(images: LabelledImages) -> str:
    """What a set is called in tables and messages, also where it has no name."""
    return images.name.strip() or "unnamed images"


def same_images(first: LabelledImages, second: LabelledImages) -> bool:
    """Whether two sets are one."""
    return (first.fingerprint, first.split) == (second.fingerprint, second.split)


def image_batch(images: NDArray[np.uint8], rows: NDArray[np.int64] | slice) -> Tensor:
    """Rows of (N, H, W, C) images as a tensor (B, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(images[rows])).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class RealFeatures:
    """The feature pass over real images, each result kept in ``cache``."""

    passing: FeaturePass
    cache: StatisticsCache

    def __call__(
        self,
        reference: LabelledImages,
        *,
        features: bool,
        indices: NDArray[np.int64] | None = None,
    ) -> Statistics:
        """Moments of the images' features, and the features themselves if asked.

        ``indices`` picks a part of the set. Nothing is cached unless the whole pass succeeded.
        UserError for fewer than two images, or a cache that cannot be written.
        """
        chosen = np.arange(len(reference.images)) if indices is None else indices
        if len(chosen) < 2:
            raise UserError(
                f"{shown_name(reference)} {reference.split} has {len(chosen)} images: need 2"
            )
        facts = {
            "kind": "features",
            "data": reference.fingerprint,
            "split": reference.split,
            "images": list(reference.images.shape),
            "indices": None if indices is None else _digest(indices),
            "extractor": self.passing.extractor.protocol(),
        }
        if rows_suffice(len(chosen), self.passing.extractor.dim):
            facts["form"] = "rows"  # version 0.1.0 kept a covariance of any size under the bare key
        key = cache_key(facts)
        found = self.cache.load(key, features=features)
        # Ranks may see different disks: all go on from the cache, or all make the pass.
        if self.passing.ranks.all_agree(found is not None) and found is not None:
            return found
        passed = self.passing(
            lambda start, stop: image_batch(reference.images, chosen[start:stop]),
            len(chosen),
            Keep(features=features),
            f"features of {shown_name(reference)} {reference.split}",
        )
        statistics = Statistics(key, passed.gaussian, passed.features)
        self.cache.save(statistics)
        return statistics

    def probe(
        self, key: str, features: np.ndarray, labels: NDArray[np.int64], num_classes: int
    ) -> LinearProbe:
        """The linear probe of these features, which are rows of the statistics under ``key``."""
        facts = {"kind": "probe", "features": key, "fitted": len(labels), **PROBE_SETTINGS}
        probe_key = cache_key({**facts, "labels": _digest(labels)})
        arrays = self.cache.load_arrays(probe_key)
        if arrays is not None:
            return LinearProbe.from_arrays(arrays)
        probe = fit_probe(features, labels, num_classes)
        self.cache.save_arrays(probe_key, probe.arrays())
        return probe


def _digest(indices: NDArray[np.int64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(indices, dtype=np.int64).tobytes()).hexdigest()[:16]


def stratified(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Sorted indices of ``count`` samples whose class shares are those of ``labels``.

    All indices where ``count`` is at least their number.
    """
    labels = np.asarray(labels)
    if count >= len(labels):
        return np.arange(len(labels))
    sizes = apportion(np.bincount(labels), count)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    picked = [order[labels[order] == label][:size] for label, size in enumerate(sizes.tolist())]
    return np.sort(np.concatenate(picked))


def apportion(weights: NDArray[Any], total: int) -> NDArray[np.int64]:
    """``total`` split in proportion to ``weights`` by largest remainders; ties to the first."""
    exact = np.asarray(weights, dtype=np.float64) * total / np.sum(weights)
    whole: NDArray[np.int64] = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(whole - exact, kind="stable")
    whole[order[: total - whole.sum()]] += 1
    return whole
