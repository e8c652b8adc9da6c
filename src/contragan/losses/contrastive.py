"""The conditional contrastive (2C) loss of ContraGAN."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contragan.losses.base import EmbeddingLoss, Partner
from contragan.losses.pairs import Pairs, unit

CONTRADICTION = (
    "positives_in_numerator needs same_class_negatives: the numerator's samples must also be in "
    "the denominator. Set same_class_negatives: true for Eq. 8, or positives_in_numerator: false"
)


class ConditionalContrastiveLoss(EmbeddingLoss):
    r"""Pulls each embedding to its class proxy, and pushes it from other samples of the batch.

    With s_ij the cosine of embeddings i and j over the temperature t, and p_i that of embedding i
    and its own proxy,

        loss_i = -log (exp p_i + sum_{k in N_i} exp s_ik) / (exp p_i + sum_{k in D_i} exp s_ik)

    - ``positives_in_numerator=True`` (Eq. 8, the 2C loss): N_i are the *other* samples of i's
      class, D_i all others. The paper prints k = i into the numerator; then the ratio could exceed
      1, so it is left out, as the authors' software does.
    - ``positives_in_numerator=False`` (Eq. 7): N_i is empty, D_i all others.
    - ``same_class_negatives=False`` as well: D_i are the samples of other classes only, the second
      reading of Eq. 7, and the denominator of D2D-CE.

    With augmented positives (APS), exp v_i joins exp p_i above and below, v_i the cosine over t of
    embedding i and that of a transformed copy of image i; without proxies it takes its place.

    Computed in float32 with log-sum-exp from one matrix product; never negative. Where several
    processes train together, each takes its own samples as i and all processes' samples as k.

    Source: Kang and Park 2020, Eqs. 7 and 8.

    Example:
        >>> import torch
        >>> from contragan.losses import ConditionalContrastiveLoss
        >>> loss = ConditionalContrastiveLoss(temperature=0.5)
        >>> embedding = torch.eye(3)
        >>> proxies = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        >>> label = torch.tensor([0, 0, 1])
        >>> round(loss(embedding, proxies[label], label).item(), 4)
        0.2525

    Args:
        temperature: t > 0.
        positives_in_numerator: Eq. 8 where true, Eq. 7 where false.
        same_class_negatives: whether samples of i's own class are in the denominator.

    Raises:
        ValueError: for a temperature that is not positive, or positives in the numerator that are
            absent from the denominator.
    """

    partner: ClassVar[Partner] = "proxy"

    def __init__(
        self,
        temperature: float = 1.0,
        *,
        positives_in_numerator: bool = True,
        same_class_negatives: bool = True,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, not {temperature}")
        if positives_in_numerator and not same_class_negatives:
            raise ValueError(CONTRADICTION)
        self.temperature = temperature
        self.positives_in_numerator = positives_in_numerator
        self.same_class_negatives = same_class_negatives

    def forward(
        self,
        embedding: Float[Tensor, "B E"],
        partner: Float[Tensor, "B E"] | None,
        label: Int[Tensor, " B"],
        view: Float[Tensor, "B E"] | None = None,
        *,
        temperature: Float[Tensor, ""] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean loss over the batch.

        Args:
            embedding: of the images.
            partner: the proxy of each image's own class, unless ``view`` takes its place.
            label: class indices.
            view: embedding of each image's transformed copy, for augmented positives.
            temperature: in place of the loss's own.

        Raises:
            ValueError: neither a proxy nor ``view`` is given.
        """
        partners = [other for other in (partner, view) if other is not None]
        if not partners:
            raise ValueError("give proxy, view or both: without them there is nothing to pull to")
        with torch.autocast(embedding.device.type, enabled=False):
            pairs = Pairs(embedding, label)
            own = torch.stack([(unit(embedding) * unit(other)).sum(1) for other in partners], dim=1)
            t = self.temperature if temperature is None else temperature
            own, similarity = own / t, pairs.cosine / t
            excluded = pairs.is_self if self.same_class_negatives else pairs.same_class
            denominator = _log_sum_exp(own, similarity.masked_fill(excluded, -torch.inf))
            if self.positives_in_numerator:
                numerator = _log_sum_exp(own, similarity.masked_fill(~pairs.positive, -torch.inf))
            else:
                numerator = torch.logsumexp(own, dim=1)
            return (denominator - numerator).mean()


def _log_sum_exp(first: Float[Tensor, "B P"], rest: Float[Tensor, "B N"]) -> Tensor:
    """log(sum exp first + sum exp rest), where a whole row of ``rest`` may be -inf."""
    return torch.logsumexp(torch.cat([first, rest], dim=1), dim=1)
