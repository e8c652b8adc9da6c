"""A discriminator is a trunk and a head: the head owns the conditioning."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from contragan.core.types import DiscriminatorOutput


class Discriminator(nn.Module):
    """Scores images (B, C, H, W) with labels (B,): ``head(trunk(images), labels)``."""

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(
        self, images: Float[Tensor, "B C H W"], label: Int[Tensor, " B"]
    ) -> DiscriminatorOutput:
        output: DiscriminatorOutput = self.head(self.trunk(images), label)
        return output
