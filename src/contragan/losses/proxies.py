"""Losses of each image against the proxies of all classes; other images play no part."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from contragan.losses.base import EmbeddingLoss, Partner, required
from contragan.losses.pairs import unit


class ProxyNCALoss(EmbeddingLoss):
    """Mean of -log (exp p_y / sum over other classes' exp p_c), p the cosine over temperature.

    Negative where the own proxy outweighs all others together. Temperature 1/2 is the loss in
    squared Euclidean distances between unit vectors that its authors write.

    Source: Movshovitz-Attias et al. 2017, Eq. 4.

    Example:
        >>> import torch
        >>> from contragan.losses import ProxyNCALoss
        >>> loss = ProxyNCALoss(temperature=0.5)
        >>> proxies = torch.eye(3)
        >>> round(loss(proxies[[0, 2]], proxies, torch.tensor([0, 2])).item(), 4)
        -1.3069
    """

    partner: ClassVar[Partner] = "proxies"

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(
        self,
        embedding: Float[Tensor, "B E"],
        partner: Float[Tensor, "K E"] | None,
        label: Int[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        similarity = unit(embedding) @ unit(required(partner, self)).t() / self.temperature
        own = label[:, None] == torch.arange(similarity.shape[1], device=label.device)
        negative = torch.logsumexp(similarity.masked_fill(own, -torch.inf), dim=1)
        return (negative - similarity.gather(1, label[:, None]).squeeze(1)).mean()


class ProxyClassificationLoss(EmbeddingLoss):
    """Cross-entropy of the softmax over all classes' proxies of cosine over ``temperature``.

    Added to 2C it cures permuted labels. Eq. 8 becomes small wherever a label's samples gather;
    this term becomes small only at the right proxy.

    Example:
        >>> import torch
        >>> from contragan.losses import ProxyClassificationLoss
        >>> loss = ProxyClassificationLoss(temperature=0.5)
        >>> proxies = torch.eye(3)
        >>> round(loss(proxies[[0, 2]], proxies, torch.tensor([0, 2])).item(), 4)
        0.2395
    """

    partner: ClassVar[Partner] = "proxies"

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(
        self,
        embedding: Float[Tensor, "B E"],
        partner: Float[Tensor, "K E"] | None,
        label: Int[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        proxies = unit(required(partner, self))
        return F.cross_entropy(unit(embedding) @ proxies.t() / self.temperature, label)
