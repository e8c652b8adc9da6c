"""D2D-CE: the head of ReACGAN."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contragan.losses.d2d_ce import D2DCELoss
from contragan.models.heads.embedding import EmbeddingSettings


class D2DCEConfig(EmbeddingSettings):
    """Trains with :class:`~contragan.losses.D2DCELoss`; the published margins are .98 and .02."""

    kind: Literal["d2d_ce"]
    temperature: float = Field(gt=0)
    positive_margin: float = Field(ge=-1, le=1)
    negative_margin: float = Field(ge=-1, le=1)

    def loss(self) -> D2DCELoss:
        return D2DCELoss(
            self.temperature,
            positive_margin=self.positive_margin,
            negative_margin=self.negative_margin,
        )
