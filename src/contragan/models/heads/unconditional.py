"""No conditioning: the discriminator does not see labels."""

from __future__ import annotations

from typing import ClassVar, Literal

from jaxtyping import Float, Int
from torch import Tensor

from contragan.core.types import DiscriminatorOutput
from contragan.models.heads.base import Conditioning, ConditioningSettings
from contragan.models.layers.factory import Layers


class UnconditionalConfig(ConditioningSettings):
    """No conditioning: D sees no labels."""

    reads_labels: ClassVar[bool] = False

    kind: Literal["unconditional"]

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> UnconditionalHead:
        return UnconditionalHead(feature_dim, num_classes, layers)


class UnconditionalHead(Conditioning):
    """One linear layer to the authenticity logit."""

    def forward(
        self, feature: Float[Tensor, "B D"], label: Int[Tensor, " B"]
    ) -> DiscriminatorOutput:
        return DiscriminatorOutput(logit=self.adversarial(feature).squeeze(1), label=label)
