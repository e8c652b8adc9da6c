"""Consistency regularisation: D's output must not change with small changes of its input."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from contragan.core.transforms import Transform, copies
from contragan.core.types import Batch, DiscriminatorOutput, Terms
from contragan.losses.regularizers.base import Context, DiscriminatorContext, Regularizer, wide


def disagreement(one: DiscriminatorOutput, other: DiscriminatorOutput) -> Tensor:
    """Mean squared difference of logits, plus those of embeddings and of class logits where the
    head has them."""
    total = F.mse_loss(wide(one.logit), wide(other.logit))
    for mine, theirs in (
        (one.embedding, other.embedding),
        (one.class_logits, other.class_logits),
    ):
        if mine is not None and theirs is not None:
            total = total + F.mse_loss(wide(mine), wide(theirs))
    return total


def transformed(
    context: Context,
    batch: Batch,
    output: DiscriminatorOutput,
    purpose: str,
    transform: Transform = "random",
) -> Tensor:
    """Disagreement of D on images and on their flipped and shifted copies."""
    fixed = replace(batch, images=batch.images.detach())
    images = copies(fixed, context.random(purpose), transform)
    return disagreement(output, context.discriminator(images, batch.labels))


class Consistency(Regularizer):
    """CR: weight * |D(x) - D(T(x))|^2 on real images, T a random flip and shift.

    Heads with embeddings add the squared difference of embeddings (its mean over coordinates),
    classifiers that of class logits.
    Source: Zhang et al. 2020, Eq. 3; Kang and Park 2020, Table 4.
    """

    kind: Literal["consistency"]
    weight: float = Field(gt=0)
    """Factor of the penalty; published 10."""
    transform: Transform = "random"
    """How T is chosen: anew each time (random), or fixed by the image's index (indexed, the paper's
    experiments)."""

    def discriminator_penalty(self, context: DiscriminatorContext) -> Terms:
        change = transformed(
            context, context.real, context.real_output, "consistency real", self.transform
        )
        return {"consistency": self.weight * change}


class BalancedConsistency(Regularizer):
    """bCR: consistency on real and on generated images. Source: Zhao et al. 2020, Algorithm 1."""

    kind: Literal["balanced_consistency"]
    real_weight: float = Field(gt=0)
    """Factor on real images; published 10."""
    fake_weight: float = Field(gt=0)
    """Factor on generated images; published 10."""

    def discriminator_penalty(self, context: DiscriminatorContext) -> Terms:
        real = transformed(context, context.real, context.real_output, "consistency real")
        fake = transformed(context, context.fake, context.fake_output, "consistency fake")
        return {
            "balanced_consistency_real": self.real_weight * real,
            "balanced_consistency_fake": self.fake_weight * fake,
        }


class LatentConsistency(Regularizer):
    """zCR: D should ignore a small change of the latent, and G should show it.

    With z' = z + sigma n, n Gaussian, the D step adds discriminator_weight * |D(G(z)) - D(G(z'))|^2
    and the G step adds -generator_weight * |G(z) - G(z')|^2 (mean over pixels).
    Source: Zhao et al. 2020, Algorithm 2.
    """

    kind: Literal["latent_consistency"]
    sigma: float = Field(gt=0)
    """Standard deviation of the change to the latent."""
    generator_weight: float = Field(gt=0)
    """Factor of the G step's term."""
    discriminator_weight: float = Field(gt=0)
    """Factor of the D step's term."""

    def _neighbours(self, context: Context) -> Tensor:
        noise = torch.randn(
            context.latent.shape,
            generator=context.random("latent consistency"),
            device=context.latent.device,
        )
        latent = context.latent.detach() + self.sigma * noise.to(context.latent.dtype)
        images: Tensor = context.generator(latent, context.fake.labels)
        return images

    def discriminator_penalty(self, context: DiscriminatorContext) -> Terms:
        with torch.no_grad():
            # The same augmentation as the first images had: only the latent differs.
            images = context.augment(self._neighbours(context), "augment fake")
        change = disagreement(
            context.fake_output, context.discriminator(images, context.fake.labels)
        )
        return {"latent_consistency": self.discriminator_weight * change}

    def generator_penalty(self, context: Context) -> Terms:
        change = F.mse_loss(wide(context.generated), wide(self._neighbours(context)))
        return {"latent_consistency": -self.generator_weight * change}
