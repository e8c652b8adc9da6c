"""D2D-CE, the data-to-data cross-entropy of ReACGAN: 2C's repair by its authors."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from contragan.core.types import DiscriminatorOutput, Terms
from contragan.models.heads.embedding import ConfiguredHead, EmbeddingSettings, Pairs, unit
from contragan.models.layers.factory import Layers


def d2d_ce(
    embedding: Float[Tensor, "B E"],
    proxy: Float[Tensor, "B E"],
    label: Int[Tensor, " B"],
    *,
    temperature: float,
    positive_margin: float,
    negative_margin: float,
) -> Float[Tensor, ""]:
    """Mean of -log (exp p_i / (exp p_i + sum over samples of other classes exp s_ik)).

    p_i = min(cosine to the own proxy - positive_margin, 0) / t, so that an image close enough to
    its proxy is pulled no further, and s_ik = max(cosine - negative_margin, 0) / t, so that images
    far enough apart are pushed no further. No sample of i's own class stands in it.

    Source: Kang et al. 2021 (ReACGAN), Eq. 8.
    """
    pairs = Pairs(embedding, label)
    to_proxy = (unit(embedding) * unit(proxy)).sum(1)
    pull = (to_proxy - positive_margin).clamp(max=0) / temperature
    push = (pairs.cosine - negative_margin).clamp(min=0) / temperature
    push = push.masked_fill(~pairs.negative, -torch.inf)
    return (torch.logsumexp(torch.cat([pull[:, None], push], dim=1), dim=1) - pull).mean()


class D2DCEConfig(EmbeddingSettings):
    """Settings of :class:`D2DCEHead`; the published margins are .98 and .02."""

    kind: Literal["d2d_ce"]
    temperature: float = Field(gt=0)
    positive_margin: float = Field(ge=-1, le=1)
    negative_margin: float = Field(ge=-1, le=1)

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> D2DCEHead:
        return D2DCEHead(feature_dim, num_classes, layers, self)


class D2DCEHead(ConfiguredHead):
    """An embedding with class proxies, trained with :func:`d2d_ce`."""

    config: D2DCEConfig

    def embedding_loss(self, output: DiscriminatorOutput) -> Terms:
        assert output.embedding is not None
        assert output.proxy is not None
        loss = d2d_ce(
            output.embedding,
            output.proxy,
            output.label,
            temperature=self.config.temperature,
            positive_margin=self.config.positive_margin,
            negative_margin=self.config.negative_margin,
        )
        return {"d2d_ce": loss}
