"""The cached feature pass over real images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from contragan.core.errors import UserError
from contragan.core.gaussian import rows_suffice
from contragan.evaluation.reference import LabelledImages, image_batch, shown_name
from contragan.features.cache import Statistics, StatisticsCache, cache_key
from contragan.features.feature_pass import FeaturePass, Keep
from contragan.metrics.probe import PROBE_SETTINGS, LinearProbe, fit_probe


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
        told = self.passing.progress
        progress = None if told is None else partial(told, "fitting the class probe")
        probe = fit_probe(features, labels, num_classes, progress)
        self.cache.save_arrays(probe_key, probe.arrays())
        return probe


def _digest(indices: NDArray[np.int64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(indices, dtype=np.int64).tobytes()).hexdigest()[:16]
