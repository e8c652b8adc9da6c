"""Weight clipping: the first way to keep a Wasserstein critic Lipschitz."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from contragan.losses.regularizers.base import Regularizer


class WeightClipping(Regularizer):
    """After each update, every parameter of D that is trained is clamped to [-bound, bound].

    Source: Arjovsky et al. 2017, Algorithm 1.
    """

    kind: Literal["weight_clipping"]
    bound: float = Field(gt=0)
    """Largest absolute value of a weight; published 0.01."""

    @torch.no_grad()
    def after_update(self, discriminator: nn.Module) -> None:
        parameters: list[Tensor] = [p for p in discriminator.parameters() if p.requires_grad]
        torch._foreach_clamp_min_(parameters, -self.bound)
        torch._foreach_clamp_max_(parameters, self.bound)
