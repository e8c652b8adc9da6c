"""Self-attention over image positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contragan.models.layers.factory import Layers


class SelfAttention(nn.Module):
    """Adds to each position a gated mixture of all positions: (B, C, H, W) to the same shape.

    Queries and keys have C/8 channels, values C/2; keys and values are max-pooled 2x. The gate
    starts at 0, so a new layer is the identity.

    Gradient penalties differentiate twice, which the fused CUDA kernels of scaled dot-product
    attention cannot: take those penalties under ``torch.nn.attention.sdpa_kernel`` with ``MATH``.

    Source: Zhang et al. 2019 (SAGAN), Sec. 3; pooling and C/2 follow their software.
    """

    def __init__(self, channels: int, *, layers: Layers) -> None:
        super().__init__()
        self.query = layers.conv2d(channels, channels // 8, 1, bias=False)
        self.key = layers.conv2d(channels, channels // 8, 1, bias=False)
        self.value = layers.conv2d(channels, channels // 2, 1, bias=False)
        self.output = layers.conv2d(channels // 2, channels, 1, bias=False)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), self.key(x), self.value(x)
        key, value = F.max_pool2d(key, 2), F.max_pool2d(value, 2)
        mixed = _attend(_positions(query), _positions(key), _positions(value))
        mixed = mixed.transpose(1, 2).reshape(len(x), -1, *x.shape[2:])
        return torch.addcmul(x, self.output(mixed), self.gate.to(x.dtype))


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Values (B, N, V) mixed by the softmax of queries (B, M, Q) with keys (B, N, Q): (B, M, V)."""
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, scale=1.0)
    # On a CPU that takes its unfused path where keys and values differ in width, 1.5 to 4 times as
    # long as these three operations.
    return torch.softmax(query @ key.transpose(1, 2), dim=-1) @ value


def _positions(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, HW, C): a view where x is channels-last."""
    return x.flatten(2).transpose(1, 2)
