"""The gradient penalty of WGAN-GP."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field

from contragan.core.types import Terms
from contragan.losses.regularizers.base import DiscriminatorContext, Regularizer, input_gradient


class GradientPenalty(Regularizer):
    """weight * mean (|grad D(x)| - 1)^2 at random points x between real and generated images.

    One point per pair, uniform on the segment. A head that reads labels gets the real image's.
    Source: Gulrajani et al. 2017, Eq. 3.
    """

    needs_independent_samples: ClassVar[bool] = True

    kind: Literal["gradient_penalty"]
    weight: float = Field(gt=0)
    """Factor of the penalty; published 10."""

    def discriminator_penalty(self, context: DiscriminatorContext) -> Terms:
        real, fake = context.real.images, context.fake.images.detach()
        share = torch.rand(
            len(real), 1, 1, 1, generator=context.random("gradient penalty"), device=real.device
        )
        between = fake.lerp(real.to(fake.dtype), share.to(fake.dtype))
        slope = input_gradient(context.discriminator, between, context.real.labels).norm(dim=1)
        return {"gradient_penalty": self.weight * (slope - 1).square().mean()}
