"""One pass of images through an extractor, keeping what the wanted metrics need and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contragan.core.errors import UserError
from contragan.core.gaussian import FittedGaussian, Moments, fit_gaussian, rows_suffice
from contragan.core.processes import Ranks
from contragan.features.extractor import FeatureExtractor

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many images are done, and how many there are."""


@dataclass(frozen=True)
class Keep:
    """What a pass keeps beside the fitted Gaussian, which is always kept."""

    features: bool = False
    logits: bool = False
    images: bool = False


@dataclass(frozen=True)
class Passed:
    """What a pass leaves: ``features`` (N, D), ``logits`` (N, K), ``images`` (N, C, H, W) uint8."""

    gaussian: FittedGaussian
    features: np.ndarray | None
    logits: np.ndarray | None
    images: np.ndarray | None


@dataclass(frozen=True)
class FeaturePass:
    """Sends images through ``extractor`` in batches, one share per rank; all get the whole."""

    extractor: FeatureExtractor
    batch_size: int
    ranks: Ranks
    progress: Progress | None

    def __call__(
        self, batch: Callable[[int, int], Tensor], count: int, keep: Keep, stage: str
    ) -> Passed:
        """Passes over ``count`` images, of which ``batch(start, stop)`` gives a part in [0, 255].

        Of at most as many images as dimensions the features themselves are kept in place of a
        covariance. UserError, on every rank, where features are not finite or logits are wanted
        and missing.
        """
        few = rows_suffice(count, self.extractor.dim)
        moments = None if few else Moments(self.extractor.dim)
        share = self.ranks.share(count, self.batch_size)
        own = sum(stop - start for start, stop in share)
        features = _Rows(own) if keep.features or few else None
        logits = _Rows(own) if keep.logits else None
        images = _Rows(own) if keep.images else None
        done = 0
        with self.ranks.fail_together():
            for start, stop in share:
                pixels = batch(start, stop)
                found = self.extractor(pixels)
                rows = found.features.cpu()
                if not torch.isfinite(rows).all():
                    raise UserError(f"{self.extractor.name} gave features that are not finite")
                if moments is not None:
                    moments.update(rows)
                if features is not None:
                    features.add(rows)
                if logits is not None:
                    if found.logits is None:
                        raise UserError(
                            f"{self.extractor.name} has no classifier: the classifier score (the "
                            "Inception Score, with Inception's) needs the features inception or "
                            "efficientnet-lite0"
                        )
                    logits.add(found.logits.cpu())
                if images is not None:
                    images.add(_rounded(pixels).cpu())
                done += stop - start
                if self.progress is not None:
                    self.progress(stage, done, own)
        whole = self._whole(features)
        if moments is not None:
            gaussian: FittedGaussian = self.ranks.merge(moments).gaussian()
        else:
            assert whole is not None
            gaussian = fit_gaussian(whole)
        return Passed(gaussian, whole, self._whole(logits), self._whole(images))

    def _whole(self, rows: _Rows | None) -> np.ndarray | None:
        return None if rows is None else self.ranks.concatenate(rows.array)


class _Rows:
    """An array of ``count`` rows that is filled batch by batch, so that nothing is held twice."""

    def __init__(self, count: int) -> None:
        self.count, self.filled = count, 0
        self.array = np.zeros(0)

    def add(self, rows: Tensor) -> None:
        found = rows.numpy()
        if self.filled == 0:
            self.array = np.empty((self.count, *found.shape[1:]), found.dtype)
        self.array[self.filled : self.filled + len(found)] = found
        self.filled += len(found)


def _rounded(pixels: Tensor) -> Tensor:
    """Images in [0, 255] as uint8."""
    return pixels if pixels.dtype == torch.uint8 else pixels.round().to(torch.uint8)
