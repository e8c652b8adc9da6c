"""The interface of a conditioning: a discriminator head together with its class loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from contragan.core.config import Config
from contragan.core.transforms import Transform
from contragan.core.types import DiscriminatorOutput, Terms
from contragan.models.layers.factory import Layers


class ConditioningSettings(Config, ABC):
    """Settings of a conditioning, and what a recipe must have for it to make sense."""

    kind: str

    reads_labels: ClassVar[bool] = True
    """Whether it compares images with labels, which needs a generator that sees labels."""
    compares_samples: ClassVar[bool] = False
    """Whether its loss compares the samples of a part of a batch with each other."""

    @abstractmethod
    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> Conditioning:
        """A new head on features (B, feature_dim)."""


class Conditioning(nn.Module, ABC):
    """A head on a trunk's feature (B, D), with the class loss that trains both networks.

    Every head scores authenticity with one linear layer, ``adversarial``. A subclass adds what
    reads labels, and returns its weighted loss terms by name, if it has any.
    One that sets ``needs_view`` finds ``view`` in the real output of the D step; one that sets
    ``needs_generated_view`` as well also finds it in the output of the G step. ``view_transform``
    says how images are transformed for it.
    """

    needs_view = False
    needs_generated_view = False
    view_transform: Transform = "random"

    def __init__(self, feature_dim: int, num_classes: int, layers: Layers) -> None:
        super().__init__()
        self.feature_dim = feature_dim
        self.num_classes = num_classes
        self.adversarial = layers.linear(feature_dim, 1)

    def begin(self, iteration: int) -> None:
        """Called before each iteration, counted from 0, for what changes as training goes on.

        A step may be recorded and replayed: keep such a value in a buffer and change it in place.
        """

    @abstractmethod
    def forward(
        self, feature: Float[Tensor, "B D"], label: Int[Tensor, " B"]
    ) -> DiscriminatorOutput:
        """Read a feature and its label."""

    def __repr__(self) -> str:
        count = sum(parameter.numel() for parameter in self.parameters())
        size = f"{count:,} parameters"
        return f"{type(self).__name__}({self.num_classes} classes, {size})"

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Terms:
        """Class loss of the D step."""
        return {}

    def generator_loss(self, fake: DiscriminatorOutput) -> Terms:
        """Class loss of the G step."""
        return {}
