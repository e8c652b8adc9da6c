"""How confident and how varied a classifier's predictions are.

From Inception-V3's predictions, and only from those, this is the Inception Score.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from contragan.metrics.base import Found, Metric, Score, Sets

FEWEST_PER_SPLIT = 10
"""Images per split below which no score is given: it cannot exceed their number."""


class InceptionScore(NamedTuple):
    """Mean and standard deviation over splits."""

    mean: float
    std: float


def inception_score(
    logits: Float[Tensor, "N K"], *, splits: int = 10, seed: int = 2020
) -> InceptionScore:
    """``exp(mean KL(p(y|x) || p(y)))`` in float64, on equal splits of shuffled images.

    ValueError for fewer images than splits. Source: Salimans et al. 2016; shuffled, since images
    sorted by class would leave every split with few classes.
    """
    if logits.ndim != 2 or splits < 1 or len(logits) < splits:
        raise ValueError(f"{splits} splits of logits of shape {tuple(logits.shape)}")
    order = torch.from_numpy(np.random.RandomState(seed).permutation(len(logits)))
    log_share = logits[order].double().log_softmax(1)
    edges = [index * len(logits) // splits for index in range(splits + 1)]
    scores = []
    for start, stop in pairwise(edges):
        part = log_share[start:stop]
        share = part.exp()
        divergence = (share * (part - share.mean(0).log())).sum(1)
        scores.append(float(divergence.mean().exp()))
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def _scores(name: str, **titles: str) -> tuple[Score, ...]:
    return (
        Score(
            f"{name}_mean",
            "classifier score mean",
            unit="score",
            higher_is_better=True,
            published_title=titles.get("mean"),
            names_features=name == "classifier_score",
        ),
        Score(
            f"{name}_std",
            "classifier score std",
            unit="score",
            published_title=titles.get("std"),
        ),
    )


class InceptionScoreMetric(Metric):
    """The Inception Score, of Inception's predictions only."""

    name = "inception_score"
    needs = frozenset({"logits"})
    scores = _scores("inception_score", mean="Inception Score mean", std="Inception Score std")
    title = "Inception Score"

    def compute(self, sets: Sets) -> Found:
        logits, splits = sets.generated.logits, sets.settings.inception_splits
        each = len(logits) // splits
        counts = {f"{self.name}_splits": splits, f"{self.name}_images_per_split": each}
        if each < FEWEST_PER_SPLIT:
            warning = (
                f"No {self.title}: {splits} splits of {len(logits)} images have fewer than "
                f"{FEWEST_PER_SPLIT} images each. Use at least {FEWEST_PER_SPLIT * splits} images, "
                "or fewer inception_splits."
            )
            return Found(counts=counts, warnings=(warning,))
        found = inception_score(torch.from_numpy(logits), splits=splits)
        warnings: tuple[str, ...] = ()
        if each < logits.shape[1]:
            warnings = (
                f"{each} images per split for {logits.shape[1]} predicted classes: the "
                f"{self.title} is biased downwards and comparable only at equal counts.",
            )
        values = {f"{self.name}_mean": found.mean, f"{self.name}_std": found.std}
        return Found(values, counts=counts, warnings=(*warnings, *self.remarks(sets.extractor)))

    def remarks(self, extractor: str) -> tuple[str, ...]:
        """What has to be said of a score from these features."""
        return ()


class ClassifierScoreMetric(InceptionScoreMetric):
    """The same formula of any other classifier's predictions."""

    name = "classifier_score"
    scores = _scores("classifier_score")
    title = "classifier score"

    def remarks(self, extractor: str) -> tuple[str, ...]:
        return (
            f"The classifier score is computed as the Inception Score is, from {extractor}'s "
            "predictions: it cannot be compared with Inception Scores.",
        )
