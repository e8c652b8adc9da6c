"""Metric-learning losses in place of 2C: pairs, triplets, N-pairs. None has class proxies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contragan.losses.metric_learning import NPairLoss, PairLoss, TripletLoss
from contragan.models.heads.embedding import EmbeddingSettings


class PairConfig(EmbeddingSettings):
    """Contrastive pairs (Hadsell et al. 2006).

    See :class:`~contragan.losses.PairLoss`.
    """

    kind: Literal["pair"]
    margin: float = Field(gt=0, le=2)
    """Distance beyond which images of different classes repel each other no more."""

    def loss(self) -> PairLoss:
        return PairLoss(self.margin)


class TripletConfig(EmbeddingSettings):
    """Hard triplets (Hermans et al. 2017).

    See :class:`~contragan.losses.TripletLoss`.
    """

    kind: Literal["triplet"]
    margin: float = Field(gt=0, le=4)
    """By how much the other class must be farther away than the own class."""

    def loss(self) -> TripletLoss:
        return TripletLoss(self.margin)


class NPairConfig(EmbeddingSettings):
    """N-pair loss (Sohn 2016).

    See :class:`~contragan.losses.NPairLoss`.
    """

    kind: Literal["n_pair"]
    temperature: float = Field(gt=0)
    """Cosines are divided by this."""

    def loss(self) -> NPairLoss:
        return NPairLoss(self.temperature)
