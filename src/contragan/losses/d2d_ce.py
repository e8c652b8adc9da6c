"""D2D-CE, the data-to-data cross-entropy of ReACGAN: 2C's repair by its authors."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contragan.losses.base import EmbeddingLoss, Partner, required
from contragan.losses.pairs import Pairs, unit


class D2DCELoss(EmbeddingLoss):
    """Mean of -log (exp p_i / (exp p_i + sum over samples of other classes exp s_ik)).

    p_i = min(cosine to the own proxy - positive_margin, 0) / t, so that an image close enough to
    its proxy is pulled no further, and s_ik = max(cosine - negative_margin, 0) / t, so that images
    far enough apart are pushed no further. Samples of i's own class are left out. The published
    margins are .98 and .02.

    Source: Kang et al. 2021 (ReACGAN), Eq. 8.

    Example:
        >>> import torch
        >>> from contragan.losses import D2DCELoss
        >>> loss = D2DCELoss(temperature=0.5)
        >>> embedding, label = torch.eye(3), torch.tensor([0, 1, 1])
        >>> round(loss(embedding, embedding, label).item(), 4)
        0.8283
    """

    partner: ClassVar[Partner] = "proxy"

    def __init__(
        self,
        temperature: float = 1.0,
        *,
        positive_margin: float = 0.98,
        negative_margin: float = 0.02,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.positive_margin = positive_margin
        self.negative_margin = negative_margin

    def forward(
        self,
        embedding: Float[Tensor, "B E"],
        partner: Float[Tensor, "B E"] | None,
        label: Int[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        pairs = Pairs(embedding, label)
        to_proxy = (unit(embedding) * unit(required(partner, self))).sum(1)
        pull = (to_proxy - self.positive_margin).clamp(max=0) / self.temperature
        push = (pairs.cosine - self.negative_margin).clamp(min=0) / self.temperature
        push = push.masked_fill(~pairs.negative, -torch.inf)
        return (torch.logsumexp(torch.cat([pull[:, None], push], dim=1), dim=1) - pull).mean()
