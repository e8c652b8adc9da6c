"""A discriminator is a trunk and a head: the head owns the conditioning."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from contragan.core.types import DiscriminatorOutput


class Discriminator(nn.Module):
    """Scores images (B, C, H, W) with labels (B,): ``head(trunk(images), labels)``.

    The trunk makes a feature (B, D) of each image; the head, which owns the conditioning, makes a
    :class:`~contragan.core.types.DiscriminatorOutput` of feature and label, and has the class
    losses of both steps. ``nn.Module.__repr__(discriminator.trunk)`` lists the trunk's layers.

    Example:
        >>> import torch
        >>> import contragan
        >>> gan = contragan.build(contragan.load_recipe("digits/projgan"), num_classes=10, seed=0)
        >>> output = gan.discriminator(torch.zeros(2, 1, 16, 16), torch.tensor([3, 5]))
        >>> output.logit.shape
        torch.Size([2])

    Args:
        trunk: maps images (B, C, H, W) to features (B, D).
        head: maps features (B, D) and labels (B,) to a ``DiscriminatorOutput``.
    """

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(
        self, images: Float[Tensor, "B C H W"], label: Int[Tensor, " B"]
    ) -> DiscriminatorOutput:
        output: DiscriminatorOutput = self.head(self.trunk(images), label)
        return output

    def __repr__(self) -> str:
        return f"Discriminator({self.trunk!r}, {self.head!r})"
