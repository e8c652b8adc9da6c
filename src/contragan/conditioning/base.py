"""The interface of a conditioning: a discriminator head together with its class loss."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor, nn

from contragan.layers import Layers
from contragan.types import DiscriminatorOutput, Terms


class Conditioning(nn.Module, ABC):
    """A head on a trunk's feature (B, D), with the class loss that trains both networks.

    Every head scores authenticity with one linear layer, ``adversarial``. A subclass adds what it
    knows of labels, and returns its weighted loss terms by name; without any it returns none.
    """

    def __init__(self, feature_dim: int, num_classes: int, layers: Layers) -> None:
        super().__init__()
        self.feature_dim = feature_dim
        self.num_classes = num_classes
        self.adversarial = layers.linear(feature_dim, 1)

    @abstractmethod
    def forward(
        self, feature: Float[Tensor, "B D"], label: Int[Tensor, " B"]
    ) -> DiscriminatorOutput:
        """Read a feature and its label."""

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Terms:
        """Class loss of the D step."""
        return {}

    def generator_loss(self, fake: DiscriminatorOutput) -> Terms:
        """Class loss of the G step."""
        return {}
