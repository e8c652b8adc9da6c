"""P-NCA: each image against the proxies of all classes; other images play no part."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from contragan.core.errors import UserError
from contragan.core.types import DiscriminatorOutput, Terms
from contragan.models.heads.embedding import ConfiguredHead, EmbeddingSettings, unit
from contragan.models.layers.factory import Layers


def proxy_nca(
    embedding: Float[Tensor, "B E"],
    proxies: Float[Tensor, "K E"],
    label: Int[Tensor, " B"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Mean of -log (exp p_y / sum over other classes' exp p_c), p the cosine over temperature.

    Negative where the own proxy outweighs all others together. Temperature 1/2 is the loss in
    squared Euclidean distances between unit vectors that its authors write.

    Source: Movshovitz-Attias et al. 2017, Eq. 4.
    """
    similarity = unit(embedding) @ unit(proxies).t() / temperature
    own = label[:, None] == torch.arange(len(proxies), device=label.device)
    negative = torch.logsumexp(similarity.masked_fill(own, -torch.inf), dim=1)
    return (negative - similarity.gather(1, label[:, None]).squeeze(1)).mean()


class ProxyNCAConfig(EmbeddingSettings):
    """Settings of :class:`ProxyNCAHead`."""

    compares_samples: ClassVar[bool] = False

    kind: Literal["proxy_nca"]
    temperature: float = Field(gt=0)

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> ProxyNCAHead:
        if num_classes < 2:
            raise UserError(
                "conditioning proxy_nca needs at least two classes, for its negatives are the "
                "other classes' proxies: use conditioning.kind=unconditional"
            )
        return ProxyNCAHead(feature_dim, num_classes, layers, self)


class ProxyNCAHead(ConfiguredHead):
    """An embedding with class proxies, trained with :func:`proxy_nca`."""

    config: ProxyNCAConfig

    def embedding_loss(self, output: DiscriminatorOutput) -> Terms:
        assert output.embedding is not None
        assert output.proxies is not None
        loss = proxy_nca(output.embedding, output.proxies, output.label, self.config.temperature)
        return {"proxy_nca": loss}
