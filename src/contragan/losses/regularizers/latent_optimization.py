"""LOGAN: latents move towards what the discriminator likes before they are used."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from contragan.core.types import Terms
from contragan.losses.regularizers.base import Players, Regularizer, twice_differentiable


class LatentOptimization(Regularizer):
    """Each of ``steps`` steps moves z along the gradient g of D(G(z)): a natural-gradient step.

        delta = alpha / (beta + |g|^2) * g

    A random share ``rate`` of the samples moves in each step, so that G also learns latents as
    they are drawn. Both networks' losses differentiate through the steps (second order, float32).
    G's loss also carries ``cost_weight`` times the mean squared length of the steps; D's does not,
    because D could lower it by being flat where G draws. ``clip`` bounds the
    latents to [-clip, clip] afterwards: it suits a uniform prior; with Gaussian latents (ours)
    null keeps training latents distributed as those that are sampled later.

    Source: Wu et al. 2019, Algorithm 1 and Eq. 11.

    The authors of ContraGAN return from inside their loop, so that theirs takes one step whatever
    its setting; ours takes ``steps``.
    """

    kind: Literal["latent_optimization"]
    steps: int = Field(gt=0)
    """Steps that a latent makes."""
    rate: float = Field(gt=0, le=1)
    """Share of the samples that move in each step."""
    alpha: float = Field(gt=0)
    """Size of a step."""
    beta: float = Field(gt=0)
    """Damps steps where the gradient is small."""
    cost_weight: float = Field(ge=0)
    """Factor of the mean squared length of the steps, in G's loss."""
    clip: float | None = Field(default=None, gt=0)
    """Latents are bounded to [-clip, clip] afterwards; null, which suits Gaussian latents, for no
    bound."""

    def optimize_latents(
        self, players: Players, latent: Tensor, label: Tensor
    ) -> tuple[Tensor, Terms]:
        random = players.random("latent optimization")
        cost = latent.new_zeros(())
        with twice_differentiable(latent), torch.enable_grad():
            z = latent.detach().requires_grad_()
            for step in range(self.steps):
                images = players.augment(players.generator(z, label), f"augment latent {step}")
                logit = players.discriminator(images, label).logit
                (gradient,) = torch.autograd.grad(logit.sum(), z, create_graph=True)
                squared = gradient.square().sum(1, keepdim=True)
                delta = self.alpha / (self.beta + squared) * gradient
                moves = torch.rand(len(z), 1, generator=random, device=z.device) < self.rate
                delta = torch.where(moves, delta, 0)
                z = z + delta
                if self.clip is not None:
                    z = z.clamp(-self.clip, self.clip)
                cost = cost + delta.square().sum(1).mean()
        return z, {"latent_cost": self.cost_weight * cost}
