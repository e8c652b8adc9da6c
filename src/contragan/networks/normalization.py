"""Batch norm, conditional batch norm, and the choice of norm in a trunk."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from contragan.layers import Layers

TrunkNormalization = Literal["batch", "layer", "none"]
"""The norm in a trunk's blocks. ``layer`` is per sample, so gradient penalties may use it."""


class ConditionalBatchNorm2d(nn.Module):
    """Batch norm whose gain ``1 + g`` and bias are linear in a condition.

    Shapes: x (B, C, H, W), condition (B, N) to (B, C, H, W). ``bn`` is an ordinary
    ``nn.BatchNorm2d`` without affine parameters, so that what re-estimates or synchronises
    statistics finds it.

    Source: de Vries et al. 2017; the form with two bias-free linear layers is BigGAN's (Brock et
    al. 2019, Appendix C).
    """

    def __init__(
        self, channels: int, condition_dim: int, *, layers: Layers, eps: float, momentum: float
    ) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, eps=eps, momentum=momentum, affine=False)
        self.gain = layers.linear(condition_dim, channels, bias=False)
        self.bias = layers.linear(condition_dim, channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        normalized = self.bn(x)
        # Without the cast a float32 gain would make every later activation float32 under autocast.
        gain = self.gain(condition).add(1).to(normalized.dtype)
        bias = self.bias(condition).to(normalized.dtype)
        return torch.addcmul(bias[:, :, None, None], normalized, gain[:, :, None, None])


def trunk_norm(
    kind: TrunkNormalization, channels: int, *, eps: float, momentum: float
) -> nn.Module:
    """The norm of a trunk's block over ``channels``."""
    if kind == "batch":
        return nn.BatchNorm2d(channels, eps=eps, momentum=momentum)
    if kind == "layer":
        return nn.GroupNorm(1, channels, eps=eps)
    return nn.Identity()


def has_batch_statistics(network: nn.Module) -> bool:
    """Whether a sample's output depends on the rest of its batch in training mode."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())
