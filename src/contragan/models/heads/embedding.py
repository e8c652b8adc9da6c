"""What the heads that embed images on a unit sphere have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from contragan.core.processes import gather, rank, world_size
from contragan.core.types import DiscriminatorOutput, Terms
from contragan.models.heads.base import Conditioning, ConditioningSettings
from contragan.models.layers.factory import Layers


class EmbeddingSettings(ConditioningSettings):
    """Settings of every :class:`EmbeddingHead`."""

    compares_samples: ClassVar[bool] = True

    embedding_dim: int = Field(gt=0)
    weight: float = Field(gt=0)
    projection_head: Literal["linear", "mlp"]


class EmbeddingHead(Conditioning):
    """Embeds images, and labels where ``proxies`` is set, on one unit sphere of E dimensions.

    The projection head is one linear layer, or two with a ReLU between (``"mlp"``). The D step
    takes :meth:`embedding_loss` on real images, the G step on generated ones (Kang and Park 2020,
    Algorithm 1).
    """

    def __init__(
        self,
        feature_dim: int,
        num_classes: int,
        layers: Layers,
        *,
        embedding_dim: int,
        projection_head: Literal["linear", "mlp"] = "linear",
        weight: float = 1.0,
        proxies: bool = True,
    ) -> None:
        super().__init__(feature_dim, num_classes, layers)
        self.projection = layers.linear(feature_dim, embedding_dim)
        self.projection_output = (
            layers.linear(embedding_dim, embedding_dim) if projection_head == "mlp" else None
        )
        self.embedding = layers.embedding(num_classes, embedding_dim) if proxies else None
        self.weight = weight

    def forward(
        self, feature: Float[Tensor, "B D"], label: Int[Tensor, " B"]
    ) -> DiscriminatorOutput:
        embedding = self.projection(feature)
        if self.projection_output is not None:
            embedding = self.projection_output(F.relu(embedding))
        proxies = None
        if self.embedding is not None:
            proxies = F.normalize(self.embedding.effective_weight().float(), dim=1)
        return DiscriminatorOutput(
            logit=self.adversarial(feature).squeeze(1),
            label=label,
            embedding=F.normalize(embedding.float(), dim=1),
            proxy=None if proxies is None else F.embedding(label, proxies),
            proxies=proxies,
        )

    @abstractmethod
    def embedding_loss(self, output: DiscriminatorOutput) -> Terms:
        """The loss of one step's images by name, before ``weight``."""

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Terms:
        return self._weighted(real)

    def generator_loss(self, fake: DiscriminatorOutput) -> Terms:
        return self._weighted(fake)

    def _weighted(self, output: DiscriminatorOutput) -> Terms:
        with torch.autocast(output.logit.device.type, enabled=False):
            terms = self.embedding_loss(output)
        return {name: self.weight * term for name, term in terms.items()}


class ConfiguredHead(EmbeddingHead):
    """An :class:`EmbeddingHead` built from its settings, which stay at hand as ``config``."""

    has_proxies: ClassVar[bool] = True
    config: EmbeddingSettings

    def __init__(
        self, feature_dim: int, num_classes: int, layers: Layers, config: EmbeddingSettings
    ) -> None:
        super().__init__(
            feature_dim,
            num_classes,
            layers,
            embedding_dim=config.embedding_dim,
            projection_head=config.projection_head,
            weight=config.weight,
            proxies=self.has_proxies,
        )
        self.config = config


def unit(embedding: Float[Tensor, "B E"]) -> Float[Tensor, "B E"]:
    """Vectors of length 1, in float32 or wider."""
    return F.normalize(embedding.to(torch.promote_types(embedding.dtype, torch.float32)), dim=1)


class _Gram(torch.autograd.Function):
    """``x @ x.t()``, whose gradient takes one matrix product where autograd would take two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x @ x.t()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        (gradient,) = gradients
        product: Tensor = (gradient + gradient.t()) @ x
        return product


class Pairs:
    """Each own sample beside every sample of all processes: who is itself, who shares its class.

    ``cosine`` (B, N), ``is_self`` and ``same_class`` (B, N) over N samples of all processes.
    """

    def __init__(self, embedding: Float[Tensor, "B E"], label: Int[Tensor, " B"]) -> None:
        own = unit(embedding)
        self.cosine = _Gram.apply(own) if world_size() == 1 else own @ gather(own).t()
        self.is_self = own_columns(len(label), self.cosine)
        self.same_class = label[:, None] == gather(label)[None]
        self.positive = self.same_class & ~self.is_self
        self.negative = ~self.same_class


def own_columns(count: int, similarity: Float[Tensor, "B N"]) -> Tensor:
    """Mask (B, N) of each own sample's place among the samples of all processes."""
    index = torch.arange(count, device=similarity.device)
    mask = torch.zeros_like(similarity, dtype=torch.bool)
    mask[index, index + rank() * count] = True
    return mask


def masked_logsumexp(values: Float[Tensor, "B N"], mask: Tensor) -> Float[Tensor, " B"]:
    """log sum exp over the masked entries; the lowest finite number where a row has none."""
    low = torch.finfo(values.dtype).min
    return torch.logsumexp(values.masked_fill(~mask, low), dim=1)


def masked_mean(values: Float[Tensor, "B N"], mask: Tensor) -> Float[Tensor, " B"]:
    """Mean over the masked entries of each row; 0 where a row has none."""
    return torch.where(mask, values, 0).sum(1) / mask.sum(1).clamp(min=1)
