"""Every sample of a batch compared with every sample of all processes."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from contragan.core.processes import gather, rank, world_size


def unit(embedding: Float[Tensor, "B E"]) -> Float[Tensor, "B E"]:
    """Vectors of length 1, in float32 or wider."""
    return F.normalize(embedding.to(torch.promote_types(embedding.dtype, torch.float32)), dim=1)


class _Gram(torch.autograd.Function):
    """``x @ x.t()``, whose gradient takes one matrix product where autograd would take two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x @ x.t()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        (gradient,) = gradients
        product: Tensor = (gradient + gradient.t()) @ x
        return product


class Pairs:
    """Each own sample compared with every sample of all processes.

    The masks say which sample is itself, and which share its class.

    ``cosine`` (B, N), ``is_self`` and ``same_class`` (B, N) over N samples of all processes.
    """

    def __init__(self, embedding: Float[Tensor, "B E"], label: Int[Tensor, " B"]) -> None:
        own = unit(embedding)
        self.cosine = _Gram.apply(own) if world_size() == 1 else own @ gather(own).t()
        self.is_self = own_columns(len(label), self.cosine)
        self.same_class = label[:, None] == gather(label)[None]
        self.positive = self.same_class & ~self.is_self
        self.negative = ~self.same_class


def own_columns(count: int, similarity: Float[Tensor, "B N"]) -> Tensor:
    """Mask (B, N) of each own sample's place among the samples of all processes."""
    index = torch.arange(count, device=similarity.device)
    mask = torch.zeros_like(similarity, dtype=torch.bool)
    mask[index, index + rank() * count] = True
    return mask


def masked_logsumexp(values: Float[Tensor, "B N"], mask: Tensor) -> Float[Tensor, " B"]:
    """log sum exp over the masked entries; the lowest finite number where a row has none."""
    low = torch.finfo(values.dtype).min
    return torch.logsumexp(values.masked_fill(~mask, low), dim=1)


def masked_mean(values: Float[Tensor, "B N"], mask: Tensor) -> Float[Tensor, " B"]:
    """Mean over the masked entries of each row; 0 where a row has none."""
    return torch.where(mask, values, 0).sum(1) / mask.sum(1).clamp(min=1)
