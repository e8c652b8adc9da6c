"""Projection: the inner product of feature and class embedding joins the logit."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor

from contragan.core.types import DiscriminatorOutput
from contragan.models.heads.base import Conditioning, ConditioningSettings
from contragan.models.layers.factory import Layers


class ProjectionConfig(ConditioningSettings):
    """Projection: <embedding(label), feature> is added to the logit; there is no class loss."""

    kind: Literal["projection"]

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> ProjectionHead:
        return ProjectionHead(feature_dim, num_classes, layers)


class ProjectionHead(Conditioning):
    """Logit plus <embedding(label), feature>; no loss of its own.

    Source: Miyato and Koyama 2018, Eq. 6.
    """

    def __init__(self, feature_dim: int, num_classes: int, layers: Layers) -> None:
        super().__init__(feature_dim, num_classes, layers)
        self.embedding = layers.embedding(num_classes, feature_dim)

    def forward(
        self, feature: Float[Tensor, "B D"], label: Int[Tensor, " B"]
    ) -> DiscriminatorOutput:
        projected = (self.embedding(label) * feature).sum(1)
        return DiscriminatorOutput(
            logit=self.adversarial(feature).squeeze(1) + projected, label=label
        )
