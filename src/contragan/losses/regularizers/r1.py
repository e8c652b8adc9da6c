"""R1: a flat discriminator at real images."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from contragan.core.types import Terms
from contragan.losses.regularizers.base import DiscriminatorContext, Regularizer, input_gradient


class R1(Regularizer):
    """weight / 2 * mean |grad D(x)|^2 at real images x, as the discriminator sees them.

    Source: Mescheder et al. 2018, Eq. 9; ``weight`` is their gamma.
    """

    needs_independent_samples: ClassVar[bool] = True

    kind: Literal["r1"]
    weight: float = Field(gt=0)
    """Gamma: half of it is the penalty's factor."""

    def discriminator_penalty(self, context: DiscriminatorContext) -> Terms:
        gradient = input_gradient(context.discriminator, context.real.images, context.real.labels)
        return {"r1": self.weight / 2 * gradient.square().sum(1).mean()}
