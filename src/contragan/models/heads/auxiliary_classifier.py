"""Auxiliary classifier: the discriminator also names the class."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from contragan.core.types import DiscriminatorOutput, Terms
from contragan.models.heads.base import Conditioning, ConditioningSettings
from contragan.models.layers.factory import Layers


class AuxiliaryClassifierConfig(ConditioningSettings):
    """Auxiliary classifier: D also names the class, and both losses have a cross-entropy."""

    kind: Literal["auxiliary_classifier"]
    weight: float = Field(gt=0)
    """Factor of the cross-entropy in both losses."""
    classify_generated: bool
    """Whether D's loss classifies generated images too, as Odena et al. 2017 and the paper do;
    since August 2021 the authors' software classifies real images only."""
    bias: bool = False
    """Whether the classifier has a bias, as in the paper's experiments; later releases have
    none."""

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> AuxiliaryClassifierHead:
        return AuxiliaryClassifierHead(
            feature_dim,
            num_classes,
            layers,
            weight=self.weight,
            classify_generated=self.classify_generated,
            bias=self.bias,
        )


class AuxiliaryClassifierHead(Conditioning):
    """A linear classifier beside the authenticity logit, trained with cross-entropy.

    Source: Odena et al. 2017.
    """

    def __init__(
        self,
        feature_dim: int,
        num_classes: int,
        layers: Layers,
        *,
        weight: float = 1.0,
        classify_generated: bool = False,
        bias: bool = False,
    ) -> None:
        super().__init__(feature_dim, num_classes, layers)
        self.classifier = layers.linear(feature_dim, num_classes, bias=bias)
        self.weight = weight
        self.classify_generated = classify_generated

    def forward(
        self, feature: Float[Tensor, "B D"], label: Int[Tensor, " B"]
    ) -> DiscriminatorOutput:
        return DiscriminatorOutput(
            logit=self.adversarial(feature).squeeze(1),
            label=label,
            class_logits=self.classifier(feature),
        )

    def _cross_entropy(self, output: DiscriminatorOutput) -> Tensor:
        assert output.class_logits is not None
        return self.weight * F.cross_entropy(output.class_logits.float(), output.label)

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Terms:
        terms = {"classification": self._cross_entropy(real)}
        if self.classify_generated:
            terms["classification_fake"] = self._cross_entropy(fake)
        return terms

    def generator_loss(self, fake: DiscriminatorOutput) -> Terms:
        return {"classification": self._cross_entropy(fake)}
