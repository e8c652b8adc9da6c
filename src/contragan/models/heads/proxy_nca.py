"""P-NCA in place of 2C: each image against the proxies of all classes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from contragan.core.errors import UserError
from contragan.losses.proxies import ProxyNCALoss
from contragan.models.heads.embedding import EmbeddingHead, EmbeddingSettings
from contragan.models.layers.factory import Layers


class ProxyNCAConfig(EmbeddingSettings):
    """P-NCA: each image is compared with the proxies of all classes.

    See :class:`~contragan.losses.ProxyNCALoss`.
    """

    compares_samples: ClassVar[bool] = False

    kind: Literal["proxy_nca"]
    temperature: float = Field(gt=0)
    """Cosines are divided by this; 0.5 is the loss in squared Euclidean distances of its
    authors."""

    def loss(self) -> ProxyNCALoss:
        return ProxyNCALoss(self.temperature)

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> EmbeddingHead:
        if num_classes < 2:
            raise UserError(
                "conditioning proxy_nca needs at least two classes, for its negatives are the "
                "other classes' proxies: use conditioning.kind=unconditional"
            )
        return super().build(feature_dim, num_classes, layers)
