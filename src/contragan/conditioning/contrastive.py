"""The conditional contrastive (2C) loss of ContraGAN, and the head that carries it."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from contragan.conditioning.base import Conditioning
from contragan.config import Config
from contragan.distributed import gather, rank
from contragan.layers import Layers
from contragan.types import DiscriminatorOutput, Terms

_CONTRADICTION = (
    "positives_in_numerator needs same_class_negatives: the numerator's samples must also stand in "
    "the denominator. Set same_class_negatives: true for Eq. 8, or positives_in_numerator: false"
)


class ConditionalContrastiveLoss(nn.Module):
    r"""Pulls each embedding to its class proxy, and pushes it from other samples of the batch.

    With s_ij the cosine of embeddings i and j over the temperature t, and p_i that of embedding i
    and its own proxy,

        loss_i = -log (exp p_i + sum_{k in N_i} exp s_ik) / (exp p_i + sum_{k in D_i} exp s_ik)

    - ``positives_in_numerator=True`` (Eq. 8, the 2C loss): N_i are the *other* samples of i's
      class, D_i all others. The paper prints k = i into the numerator; then the ratio could exceed
      1, so it is left out, as the authors' software does.
    - ``positives_in_numerator=False`` (Eq. 7): N_i is empty, D_i all others.
    - ``same_class_negatives=False`` as well: D_i are the samples of other classes only, the second
      reading of Eq. 7, and the denominator of D2D-CE.

    Computed in float32 with log-sum-exp from one matrix product; never negative. Inputs are
    normalised here, so any embedding will do. Where several processes train together, each takes
    its own samples as i and all processes' samples as k.

    Source: Kang and Park 2020, Eqs. 7 and 8.

    Args:
        temperature: t > 0.
        positives_in_numerator: Eq. 8 where true, Eq. 7 where false.
        same_class_negatives: whether samples of i's own class stand in the denominator.

    Raises:
        ValueError: for a temperature that is not positive, or positives in the numerator that are
            absent from the denominator.
    """

    def __init__(
        self,
        temperature: float = 1.0,
        *,
        positives_in_numerator: bool = True,
        same_class_negatives: bool = True,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, not {temperature}")
        if positives_in_numerator and not same_class_negatives:
            raise ValueError(_CONTRADICTION)
        self.temperature = temperature
        self.positives_in_numerator = positives_in_numerator
        self.same_class_negatives = same_class_negatives

    def forward(
        self,
        embedding: Float[Tensor, "B E"],
        proxy: Float[Tensor, "B E"],
        label: Int[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        """Mean loss over the batch, from embeddings, each one's own class proxy, and labels."""
        with torch.autocast(embedding.device.type, enabled=False):
            wide = torch.promote_types(embedding.dtype, torch.float32)
            anchor = F.normalize(embedding.to(wide), dim=1)
            others, other_label = gather(anchor), gather(label)
            to_proxy = (anchor * F.normalize(proxy.to(wide), dim=1)).sum(1) / self.temperature
            similarity = anchor @ others.t() / self.temperature

            index = torch.arange(len(label), device=label.device)
            is_self = torch.zeros_like(similarity, dtype=torch.bool)
            is_self[index, index + rank() * len(label)] = True
            same_class = label[:, None] == other_label[None]
            excluded = is_self if self.same_class_negatives else same_class
            denominator = _log_add_sum_exp(to_proxy, similarity.masked_fill(excluded, -torch.inf))
            if not self.positives_in_numerator:
                return (denominator - to_proxy).mean()
            is_positive = same_class & ~is_self
            numerator = _log_add_sum_exp(to_proxy, similarity.masked_fill(~is_positive, -torch.inf))
            return (denominator - numerator).mean()


def _log_add_sum_exp(first: Float[Tensor, " B"], rest: Float[Tensor, "B N"]) -> Tensor:
    """log(exp first + sum exp rest), where a whole row of ``rest`` may be -inf."""
    return torch.logsumexp(torch.cat([first[:, None], rest], dim=1), dim=1)


class ContrastiveConfig(Config):
    """Settings of :class:`ContrastiveHead`."""

    kind: Literal["contrastive"]
    embedding_dim: int = Field(gt=0)
    temperature: float = Field(gt=0)
    weight: float = Field(gt=0)
    positives_in_numerator: bool
    same_class_negatives: bool
    projection_head: Literal["linear", "mlp"]

    @model_validator(mode="after")
    def _possible(self) -> ContrastiveConfig:
        if self.positives_in_numerator and not self.same_class_negatives:
            raise ValueError(_CONTRADICTION)
        return self

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> ContrastiveHead:
        loss = ConditionalContrastiveLoss(
            self.temperature,
            positives_in_numerator=self.positives_in_numerator,
            same_class_negatives=self.same_class_negatives,
        )
        return ContrastiveHead(
            feature_dim,
            num_classes,
            layers,
            embedding_dim=self.embedding_dim,
            projection_head=self.projection_head,
            loss=loss,
            weight=self.weight,
        )


class ContrastiveHead(Conditioning):
    """Embeds images and labels on one unit hypersphere of ``embedding_dim`` dimensions.

    The D step takes the loss on real images, the G step on generated ones (Algorithm 1). The
    projection head is one linear layer, or two with a ReLU between (``"mlp"``).
    """

    def __init__(
        self,
        feature_dim: int,
        num_classes: int,
        layers: Layers,
        *,
        embedding_dim: int,
        loss: ConditionalContrastiveLoss,
        projection_head: Literal["linear", "mlp"] = "linear",
        weight: float = 1.0,
    ) -> None:
        super().__init__(feature_dim, num_classes, layers)
        self.projection = layers.linear(feature_dim, embedding_dim)
        self.projection_output = (
            layers.linear(embedding_dim, embedding_dim) if projection_head == "mlp" else None
        )
        self.embedding = layers.embedding(num_classes, embedding_dim)
        self.loss = loss
        self.weight = weight

    def forward(
        self, feature: Float[Tensor, "B D"], label: Int[Tensor, " B"]
    ) -> DiscriminatorOutput:
        embedding = self.projection(feature)
        if self.projection_output is not None:
            embedding = self.projection_output(F.relu(embedding))
        return DiscriminatorOutput(
            logit=self.adversarial(feature).squeeze(1),
            label=label,
            embedding=F.normalize(embedding.float(), dim=1),
            proxy=F.normalize(self.embedding(label).float(), dim=1),
        )

    def _loss(self, output: DiscriminatorOutput) -> Terms:
        assert output.embedding is not None
        assert output.proxy is not None
        return {
            "contrastive": self.weight * self.loss(output.embedding, output.proxy, output.label)
        }

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Terms:
        return self._loss(real)

    def generator_loss(self, fake: DiscriminatorOutput) -> Terms:
        return self._loss(fake)
