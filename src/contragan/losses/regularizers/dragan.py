"""The penalty of DRAGAN: unit slope around real images."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from contragan.core.types import Terms
from contragan.losses.regularizers.base import DiscriminatorContext, Regularizer, input_gradient


class DRAGANPenalty(Regularizer):
    """weight * mean (|grad D(x + delta)| - 1)^2 around real images x.

    The noise has half the standard deviation of the (process's) real images for its scale:
    u = 0.5 std(x) U with U uniform in [0, 1) for every value.

    - ``form: paper``: delta = u, so the slope is taken at the perturbed image itself, which is
      E |grad D(x + delta)| of the paper's penalty, with k = 1.
    - ``form: studiogan``: delta = alpha u with one uniform alpha per image, a random point between
      the image and its perturbed copy, as in PyTorch-StudioGAN.

    Source: Kodali et al. 2017, Sec. 2.3. The paper writes Gaussian noise of variance c; uniform
    noise at the images' own scale needs no c for each data set.
    """

    needs_independent_samples: ClassVar[bool] = True

    kind: Literal["dragan"]
    weight: float = Field(gt=0)
    """Factor of the penalty; published 10."""
    form: Literal["paper", "studiogan"] = "paper"
    """paper: at the perturbed image; studiogan: at a random point on the way to it."""

    def discriminator_penalty(self, context: DiscriminatorContext) -> Terms:
        images = self.perturbed(context.real.images, context.random("dragan"))
        slope = input_gradient(context.discriminator, images, context.real.labels).norm(dim=1)
        return {"dragan": self.weight * (slope - 1).square().mean()}

    def perturbed(self, real: Tensor, random: torch.Generator) -> Tensor:
        """Where the slope is taken: (B, C, H, W) near the real images."""
        uniform = torch.rand(real.shape, generator=random, device=real.device)
        noise = 0.5 * real.std() * uniform.to(real.dtype)
        if self.form == "studiogan":
            alpha = torch.rand(len(real), 1, 1, 1, generator=random, device=real.device)
            noise = alpha.to(real.dtype) * noise
        return real + noise
