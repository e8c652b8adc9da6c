"""D2D-CE: the head of ReACGAN."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contragan.losses.d2d_ce import D2DCELoss
from contragan.models.heads.embedding import EmbeddingSettings


class D2DCEConfig(EmbeddingSettings):
    """D2D-CE, the loss of ReACGAN: Eq. 7 without same-class samples, and with margins.

    See :class:`~contragan.losses.D2DCELoss`.
    """

    kind: Literal["d2d_ce"]
    temperature: float = Field(gt=0)
    """Cosines are divided by this."""
    positive_margin: float = Field(ge=-1, le=1)
    """An image's cosine to its own proxy counts up to this; published .98."""
    negative_margin: float = Field(ge=-1, le=1)
    """Cosines to images of other classes count above this; published .02."""

    def loss(self) -> D2DCELoss:
        return D2DCELoss(
            self.temperature,
            positive_margin=self.positive_margin,
            negative_margin=self.negative_margin,
        )
