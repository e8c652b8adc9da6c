"""NT-Xent: each image against its own transformed copy; labels play no part."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from contragan.core.processes import gather
from contragan.core.transforms import Transform
from contragan.core.types import DiscriminatorOutput, Terms
from contragan.models.heads.embedding import ConfiguredHead, EmbeddingSettings, own_columns, unit
from contragan.models.layers.factory import Layers


def nt_xent(
    embedding: Float[Tensor, "B E"], view: Float[Tensor, "B E"], temperature: float
) -> Float[Tensor, ""]:
    """Mean over all 2B embeddings of -log of the share of its partner among all others.

    Row i of ``embedding`` and of ``view`` are partners; similarities are cosines over the
    temperature, and where several processes train together all processes' samples are others.

    Source: Chen et al. 2020, Eq. 1; Kang and Park 2020, Eq. 6.
    """
    one, two = unit(embedding), unit(view)
    all_one, all_two = gather(one), gather(two)
    losses = []
    for own, partners, same in ((one, all_two, all_one), (two, all_one, all_two)):
        across = own @ partners.t() / temperature
        within = own @ same.t() / temperature
        at = own_columns(len(own), across)
        within = within.masked_fill(at, -torch.inf)
        total = torch.logsumexp(torch.cat([across, within], dim=1), dim=1)
        losses.append(total - (own * (two if own is one else one)).sum(1) / temperature)
    return torch.cat(losses).mean()


class NTXentConfig(EmbeddingSettings):
    """Settings of :class:`NTXentHead`; ``augmentation`` makes the copies.

    ``transform`` is how it does with a real image; the paper's experiments have ``indexed``.
    """

    reads_labels: ClassVar[bool] = False

    kind: Literal["nt_xent"]
    temperature: float = Field(gt=0)
    augmentation: Literal["flip_shift"] | None
    transform: Transform = "random"

    @model_validator(mode="after")
    def _augmented(self) -> NTXentConfig:
        if self.augmentation is None:
            raise ValueError(
                "NT-Xent compares each image with a transformed copy of itself; without "
                "augmentation both are the same and nothing is learnt. Set augmentation: flip_shift"
            )
        return self

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> NTXentHead:
        return NTXentHead(feature_dim, num_classes, layers, self)


class NTXentHead(ConfiguredHead):
    """An embedding without class proxies, trained with :func:`nt_xent`."""

    needs_view = True
    needs_generated_view = True
    has_proxies = False
    config: NTXentConfig

    @property
    def view_transform(self) -> Transform:  # type: ignore[override]
        return self.config.transform

    def embedding_loss(self, output: DiscriminatorOutput) -> Terms:
        assert output.embedding is not None
        assert output.view is not None
        return {"nt_xent": nt_xent(output.embedding, output.view, self.config.temperature)}
