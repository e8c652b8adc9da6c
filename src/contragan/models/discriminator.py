"""A discriminator is a trunk and a head: the head owns the conditioning."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from contragan.core.errors import UserError
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

    def freeze_lowest(self, count: int) -> None:
        """Exclude the trunk's ``count`` blocks nearest to the image, and attention up to the last
        of them, from training: Freeze-D (Mo et al. 2020).

        Their weights keep their values. Power iterations of spectral norm go on, as published:
        they only make the estimate of a fixed weight's norm exact.

        Raises:
            UserError: the trunk has not so many ``blocks``.
        """
        blocks = list(getattr(self.trunk, "blocks", ()))
        if count > len(blocks):
            raise UserError(
                f"training.frozen_discriminator_blocks is {count}, but the discriminator has "
                f"{len(blocks)} blocks: choose 0 to {len(blocks)}"
            )
        frozen = blocks[:count]
        after = getattr(self.trunk, "attention_after_block", None)
        if after is not None and after <= count:
            frozen.append(self.trunk.attention)
        for block in frozen:
            block.requires_grad_(False)

    def __repr__(self) -> str:
        return f"Discriminator({self.trunk!r}, {self.head!r})"
