"""Metric-learning losses that the paper names as candidates: pairs, triplets, N-pairs.

None has class proxies. They use only whether two images share a class, not which class it is, so a
generator may permute the labels; they are here for comparison. Each is a mean over the batch's
samples, 0 for a sample without a partner, so that several processes give the single process's
value.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from contragan.losses.base import EmbeddingLoss, Partner
from contragan.losses.pairs import Pairs, masked_logsumexp, masked_mean


def _squared_distance(pairs: Pairs) -> Tensor:
    return (2 - 2 * pairs.cosine).clamp(min=0)


class PairLoss(EmbeddingLoss):
    """Per sample: mean d^2 to its class plus mean max(margin - d, 0)^2 to others.

    d is the Euclidean distance of unit vectors.

    Source: Hadsell et al. 2006, Eq. 4.

    Example:
        >>> import torch
        >>> from contragan.losses import PairLoss
        >>> loss = PairLoss(margin=1.0)
        >>> round(loss(torch.eye(3), None, torch.tensor([0, 0, 1])).item(), 4)
        1.3333
    """

    partner: ClassVar[Partner] = "none"

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = margin

    def forward(
        self,
        embedding: Float[Tensor, "B E"],
        partner: Float[Tensor, "N E"] | None,
        label: Int[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        pairs = Pairs(embedding, label)
        squared = _squared_distance(pairs)
        # The root has no gradient at 0, where two images of different classes coincide.
        short = F.relu(self.margin - squared.clamp(min=1e-12).sqrt()).square()
        return (masked_mean(squared, pairs.positive) + masked_mean(short, pairs.negative)).mean()


class TripletLoss(EmbeddingLoss):
    """Per sample: max(d^2 to the farthest of its class - d^2 to the nearest other + margin, 0).

    The hardest partners of the batch need no mining over the data set.

    Source: Hermans et al. 2017, Eq. 5, on Hoffer and Ailon 2015, in squared distances.

    Example:
        >>> import torch
        >>> from contragan.losses import TripletLoss
        >>> loss = TripletLoss(margin=0.5)
        >>> round(loss(torch.eye(3), None, torch.tensor([0, 0, 1])).item(), 4)
        0.3333
    """

    partner: ClassVar[Partner] = "none"

    def __init__(self, margin: float = 0.5) -> None:
        super().__init__()
        self.margin = margin

    def forward(
        self,
        embedding: Float[Tensor, "B E"],
        partner: Float[Tensor, "N E"] | None,
        label: Int[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        pairs = Pairs(embedding, label)
        squared = _squared_distance(pairs)
        farthest = squared.masked_fill(~pairs.positive, -torch.inf).amax(1)
        nearest = squared.masked_fill(~pairs.negative, torch.inf).amin(1)
        valid = pairs.positive.any(1) & pairs.negative.any(1)
        gap = torch.where(valid, farthest, 0) - torch.where(valid, nearest, 0)
        return torch.where(valid, F.relu(gap + self.margin), 0).mean()


class NPairLoss(EmbeddingLoss):
    """Per sample: mean over its class of log(1 + sum over others exp(s_n - s_p)).

    s is the cosine over the temperature.

    Source: Sohn 2016, Eq. 6, over all positives of a batch.

    Example:
        >>> import torch
        >>> from contragan.losses import NPairLoss
        >>> loss = NPairLoss(temperature=0.5)
        >>> round(loss(torch.eye(3), None, torch.tensor([0, 0, 1])).item(), 4)
        0.4621
    """

    partner: ClassVar[Partner] = "none"

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(
        self,
        embedding: Float[Tensor, "B E"],
        partner: Float[Tensor, "N E"] | None,
        label: Int[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        pairs = Pairs(embedding, label)
        similarity = pairs.cosine / self.temperature
        negatives = masked_logsumexp(similarity, pairs.negative)
        return masked_mean(F.softplus(negatives[:, None] - similarity), pairs.positive).mean()
