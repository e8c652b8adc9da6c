"""Metric-learning losses in place of 2C: pairs, triplets, N-pairs. None has class proxies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contragan.losses.metric_learning import NPairLoss, PairLoss, TripletLoss
from contragan.models.heads.embedding import EmbeddingSettings


class PairConfig(EmbeddingSettings):
    """Trains with :class:`~contragan.losses.PairLoss`."""

    kind: Literal["pair"]
    margin: float = Field(gt=0, le=2)

    def loss(self) -> PairLoss:
        return PairLoss(self.margin)


class TripletConfig(EmbeddingSettings):
    """Trains with :class:`~contragan.losses.TripletLoss`."""

    kind: Literal["triplet"]
    margin: float = Field(gt=0, le=4)

    def loss(self) -> TripletLoss:
        return TripletLoss(self.margin)


class NPairConfig(EmbeddingSettings):
    """Trains with :class:`~contragan.losses.NPairLoss`."""

    kind: Literal["n_pair"]
    temperature: float = Field(gt=0)

    def loss(self) -> NPairLoss:
        return NPairLoss(self.temperature)
