"""Metric-learning losses that the paper names as candidates: pairs, triplets, N-pairs.

None has class proxies: nothing but the order of the batch tells the classes apart, so these may
well permute labels; they are here to be compared. Each is a mean over the batch's samples, 0 for a
sample without a partner, so that several processes give the single process's value.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from contragan.core.types import DiscriminatorOutput, Terms
from contragan.models.heads.embedding import (
    ConfiguredHead,
    EmbeddingSettings,
    Pairs,
    masked_logsumexp,
    masked_mean,
)
from contragan.models.layers.factory import Layers


def _squared_distance(pairs: Pairs) -> Tensor:
    return (2 - 2 * pairs.cosine).clamp(min=0)


def pair_loss(pairs: Pairs, margin: float) -> Tensor:
    """Per sample: mean d^2 to its class plus mean max(margin - d, 0)^2 to others.

    d is the Euclidean distance of unit vectors. Source: Hadsell et al. 2006, Eq. 4.
    """
    squared = _squared_distance(pairs)
    # The root has no gradient at 0, where two images of different classes coincide.
    short = F.relu(margin - squared.clamp(min=1e-12).sqrt()).square()
    return (masked_mean(squared, pairs.positive) + masked_mean(short, pairs.negative)).mean()


def triplet_loss(pairs: Pairs, margin: float) -> Tensor:
    """Per sample: max(d^2 to the farthest of its class - d^2 to the nearest other + margin, 0).

    The hardest partners of the batch need no mining over the data set. Source: Hermans et al.
    2017, Eq. 5, on Hoffer and Ailon 2015, in squared distances.
    """
    squared = _squared_distance(pairs)
    farthest = squared.masked_fill(~pairs.positive, -torch.inf).amax(1)
    nearest = squared.masked_fill(~pairs.negative, torch.inf).amin(1)
    valid = pairs.positive.any(1) & pairs.negative.any(1)
    gap = torch.where(valid, farthest, 0) - torch.where(valid, nearest, 0)
    return torch.where(valid, F.relu(gap + margin), 0).mean()


def n_pair_loss(pairs: Pairs, temperature: float) -> Tensor:
    """Per sample: mean over its class of log(1 + sum over others exp(s_n - s_p)).

    s is the cosine over the temperature. Source: Sohn 2016, Eq. 6, over all positives of a batch.
    """
    similarity = pairs.cosine / temperature
    negatives = masked_logsumexp(similarity, pairs.negative)
    return masked_mean(F.softplus(negatives[:, None] - similarity), pairs.positive).mean()


class PairConfig(EmbeddingSettings):
    """Settings of :func:`pair_loss`."""

    kind: Literal["pair"]
    margin: float = Field(gt=0, le=2)

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> MetricLearningHead:
        return MetricLearningHead(feature_dim, num_classes, layers, self)

    def loss(self, pairs: Pairs) -> Tensor:
        return pair_loss(pairs, self.margin)


class TripletConfig(EmbeddingSettings):
    """Settings of :func:`triplet_loss`."""

    kind: Literal["triplet"]
    margin: float = Field(gt=0, le=4)

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> MetricLearningHead:
        return MetricLearningHead(feature_dim, num_classes, layers, self)

    def loss(self, pairs: Pairs) -> Tensor:
        return triplet_loss(pairs, self.margin)


class NPairConfig(EmbeddingSettings):
    """Settings of :func:`n_pair_loss`."""

    kind: Literal["n_pair"]
    temperature: float = Field(gt=0)

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> MetricLearningHead:
        return MetricLearningHead(feature_dim, num_classes, layers, self)

    def loss(self, pairs: Pairs) -> Tensor:
        return n_pair_loss(pairs, self.temperature)


class MetricLearningHead(ConfiguredHead):
    """An embedding without class proxies, trained with the loss of its settings."""

    has_proxies = False
    config: PairConfig | TripletConfig | NPairConfig

    def embedding_loss(self, output: DiscriminatorOutput) -> Terms:
        assert output.embedding is not None
        return {self.config.kind: self.config.loss(Pairs(output.embedding, output.label))}
