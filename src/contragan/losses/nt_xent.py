"""NT-Xent: each image against its own transformed copy; labels play no part."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contragan.core.processes import gather
from contragan.losses.base import EmbeddingLoss, Partner, required
from contragan.losses.pairs import own_columns, unit


class NTXentLoss(EmbeddingLoss):
    """Mean over all 2B embeddings of -log of the share of its partner among all others.

    Row i of the embeddings and of their views are partners; similarities are cosines over the
    temperature, and where several processes train together all processes' samples are others.

    Source: Chen et al. 2020, Eq. 1; Kang and Park 2020, Eq. 6.

    Example:
        >>> import torch
        >>> from contragan.losses import NTXentLoss
        >>> loss = NTXentLoss(temperature=0.5)
        >>> embedding = torch.eye(3)
        >>> round(loss(embedding, embedding, torch.tensor([0, 1, 2])).item(), 4)
        0.4327
    """

    partner: ClassVar[Partner] = "view"

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(
        self,
        embedding: Float[Tensor, "B E"],
        partner: Float[Tensor, "B E"] | None,
        label: Int[Tensor, " B"] | None = None,
    ) -> Float[Tensor, ""]:
        one, two = unit(embedding), unit(required(partner, self))
        all_one, all_two = gather(one), gather(two)
        losses = []
        for own, partners, same in ((one, all_two, all_one), (two, all_one, all_two)):
            across = own @ partners.t() / self.temperature
            within = own @ same.t() / self.temperature
            at = own_columns(len(own), across)
            within = within.masked_fill(at, -torch.inf)
            total = torch.logsumexp(torch.cat([across, within], dim=1), dim=1)
            losses.append(total - (own * (two if own is one else one)).sum(1) / self.temperature)
        return torch.cat(losses).mean()
