"""One pass of images through an extractor, keeping what the wanted metrics need and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contragan.errors import UserError
from contragan.metrics.features import FeatureExtractor
from contragan.metrics.frechet import Gaussian, Moments
from contragan.metrics.ranks import Ranks

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many images are done, and how many there are."""


@dataclass(frozen=True)
class Keep:
    """What a pass keeps beside the moments, which are always kept."""

    features: bool = False
    logits: bool = False
    images: bool = False


@dataclass(frozen=True)
class Passed:
    """What a pass leaves: ``features`` (N, D), ``logits`` (N, K), ``images`` (N, C, H, W) uint8."""

    gaussian: Gaussian
    features: np.ndarray | None
    logits: np.ndarray | None
    images: np.ndarray | None


@dataclass(frozen=True)
class FeaturePass:
    """Sends images through ``extractor`` in batches, each rank its share, all getting the whole."""

    extractor: FeatureExtractor
    batch_size: int
    ranks: Ranks
    progress: Progress | None

    def __call__(
        self, batch: Callable[[int, int], Tensor], count: int, keep: Keep, stage: str
    ) -> Passed:
        """Passes over ``count`` images, of which ``batch(start, stop)`` gives a part in [0, 255].

        UserError, on every rank, where features are not finite or logits are wanted and missing.
        """
        moments = Moments(self.extractor.dim)
        features: list[np.ndarray] = []
        logits: list[np.ndarray] = []
        images: list[np.ndarray] = []
        share = self.ranks.share(count, self.batch_size)
        own = sum(stop - start for start, stop in share)
        done = 0
        with self.ranks.fail_together():
            for start, stop in share:
                pixels = batch(start, stop)
                found = self.extractor(pixels)
                rows = found.features.cpu()
                if not torch.isfinite(rows).all():
                    raise UserError(f"{self.extractor.name} gave features that are not finite")
                moments.update(rows)
                if keep.features:
                    features.append(rows.numpy())
                if keep.logits:
                    if found.logits is None:
                        raise UserError(
                            f"{self.extractor.name} has no classifier: the inception score needs "
                            "the features inception or efficientnet-lite0"
                        )
                    logits.append(found.logits.cpu().numpy())
                if keep.images:
                    images.append(_rounded(pixels).cpu().numpy())
                done += stop - start
                if self.progress is not None:
                    self.progress(stage, done, own)
        return Passed(
            self.ranks.merge(moments).gaussian(),
            self._whole(features) if keep.features else None,
            self._whole(logits) if keep.logits else None,
            self._whole(images) if keep.images else None,
        )

    def _whole(self, parts: list[np.ndarray]) -> np.ndarray:
        return self.ranks.concatenate(np.concatenate(parts) if parts else np.zeros(0))


def _rounded(pixels: Tensor) -> Tensor:
    """Images in [0, 255] as uint8."""
    return pixels if pixels.dtype == torch.uint8 else pixels.round().to(torch.uint8)
