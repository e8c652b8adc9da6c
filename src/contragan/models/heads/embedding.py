"""Heads that embed images on a unit sphere and train with a loss of embeddings."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from contragan.core.registry import short
from contragan.core.transforms import Transform
from contragan.core.types import DiscriminatorOutput, Terms
from contragan.losses.base import EmbeddingLoss
from contragan.models.heads.base import Conditioning, ConditioningSettings
from contragan.models.layers.factory import Layers


class EmbeddingSettings(ConditioningSettings):
    """Settings of every :class:`EmbeddingHead`.

    A subclass names its loss: that decides whether labels are embedded too (as class proxies), and
    whether each image has a transformed copy beside it.
    """

    compares_samples: ClassVar[bool] = True

    embedding_dim: int = Field(gt=0)
    """Dimensions of the embeddings of images and classes."""
    weight: float = Field(gt=0)
    """Factor of this loss beside the adversarial loss (lambda in the paper)."""
    projection_head: Literal["linear", "mlp"]
    """Layers from the trunk's feature to the embedding: one (linear), or two with a ReLU between
    (mlp)."""

    @property
    def view_transform(self) -> Transform:
        """How each real image's copy is transformed, where the loss has copies."""
        return "random"

    @abstractmethod
    def loss(self) -> EmbeddingLoss:
        """The loss that these settings describe."""

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> EmbeddingHead:
        return EmbeddingHead(feature_dim, num_classes, layers, self)


class EmbeddingHead(Conditioning):
    """Embeds images, and labels where the loss has proxies, on one unit sphere of E dimensions.

    The projection head is one linear layer, or two with a ReLU between (``"mlp"``). The D step
    takes the loss on real images, the G step on generated ones (Kang and Park 2020, Algorithm 1).
    Its term is named after the settings' ``kind``, without the module of an import path.
    """

    def __init__(
        self,
        feature_dim: int,
        num_classes: int,
        layers: Layers,
        settings: EmbeddingSettings,
        *,
        proxies: bool | None = None,
    ) -> None:
        super().__init__(feature_dim, num_classes, layers)
        dim = settings.embedding_dim
        self.settings = settings
        self.weight = settings.weight
        self.loss = settings.loss()
        self.needs_view = self.loss.partner == "view"
        self.view_transform = settings.view_transform
        if proxies is None:
            proxies = self.loss.partner in {"proxy", "proxies"}
        self.projection = layers.linear(feature_dim, dim)
        self.projection_output = (
            layers.linear(dim, dim) if settings.projection_head == "mlp" else None
        )
        self.embedding = layers.embedding(num_classes, dim) if proxies else None
        self.needs_generated_view = self.needs_view and not proxies

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

    def embedding_loss(self, output: DiscriminatorOutput) -> Terms:
        """The loss of one step's images by name, before ``weight``."""
        partner = None if self.loss.partner == "none" else getattr(output, self.loss.partner)
        return {short(self.settings.kind): self.loss(output.embedding, partner, output.label)}

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Terms:
        return self._weighted(real)

    def generator_loss(self, fake: DiscriminatorOutput) -> Terms:
        return self._weighted(fake)

    def _weighted(self, output: DiscriminatorOutput) -> Terms:
        with torch.autocast(output.logit.device.type, enabled=False):
            terms = self.embedding_loss(output)
        return {name: self.weight * term for name, term in terms.items()}
