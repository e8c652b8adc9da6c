"""How confident and how varied a classifier's predictions are.

Of Inception-V3's predictions this is the Inception Score, and of no other network's.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


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
