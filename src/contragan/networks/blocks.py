"""Residual blocks, with resampling folded into their convolutions.

Nearest 2x upsampling followed by a 3x3 convolution is one 4x4 transposed convolution of stride 2,
and a 3x3 convolution followed by 2x2 average pooling is one 4x4 convolution of stride 2: in both
the 4x4 kernel is the 3x3 kernel filtered with a 2x2 box. That is 4 multiplications a pixel for 9.
A 1x1 convolution commutes with both resizings, so it runs at the low resolution. Both identities
are exact, borders included; parameters are those of the plain blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contragan.layers import Conv2d, Layers
from contragan.networks.normalization import TrunkNormalization, trunk_norm


def upsample(x: Tensor) -> Tensor:
    """Nearest-neighbour 2x upsampling."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def box_filtered(kernel: Tensor, divisor: int = 4) -> Tensor:
    """A 3x3 kernel (O, I, 3, 3) summed over each 2x2 window, padded with 0, by ``divisor``: 4x4."""
    return F.avg_pool2d(kernel, 2, stride=1, padding=1, divisor_override=divisor)


def upsample_conv(x: Tensor, conv: Conv2d) -> Tensor:
    """``conv(upsample(x))`` for a 3x3 ``conv``, as one transposed convolution."""
    kernel = box_filtered(conv.effective_weight(), divisor=1).flip(2, 3).transpose(0, 1)
    return F.conv_transpose2d(x, kernel, conv.bias, stride=2, padding=1)


def conv_pool(x: Tensor, conv: Conv2d) -> Tensor:
    """``avg_pool2d(conv(x), 2)`` for a 3x3 ``conv``, as one strided convolution."""
    return F.conv2d(x, box_filtered(conv.effective_weight()), conv.bias, stride=2, padding=1)


class GeneratorBlock(nn.Module):
    """Residual block that doubles the side: (B, I, H, W) to (B, O, 2H, 2W).

    Norm, ReLU, upsample, conv, norm, ReLU, conv; shortcut: upsample, 1x1 conv. ``condition`` goes
    to both norms where it is given.
    """

    folded = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        layers: Layers,
        norm1: nn.Module,
        norm2: nn.Module,
    ) -> None:
        super().__init__()
        self.norm1 = norm1
        self.conv1 = layers.conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = norm2
        self.conv2 = layers.conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = layers.conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        given = () if condition is None else (condition,)
        h = F.relu(self.norm1(x, *given), inplace=True)
        h = upsample_conv(h, self.conv1) if self.folded else self.conv1(upsample(h))
        h = self.conv2(F.relu(self.norm2(h, *given), inplace=True))
        skip = upsample(self.shortcut(x)) if self.folded else self.shortcut(upsample(x))
        return torch.add(h, skip)


class TrunkBlock(nn.Module):
    """Residual block of a discriminator: (B, I, H, W) to (B, O, H, W), halved if ``downsample``.

    Norm, ReLU, conv, norm, ReLU, conv, average pooling; the first block of a trunk leaves out the
    leading norm and ReLU. The shortcut is a 1x1 conv and average pooling, or the identity where
    the block changes neither side nor channels. ``relu_before_shortcut`` gives the shortcut
    ReLU(x) where the block has no norm, as the published software does through an in-place ReLU.
    """

    folded = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        layers: Layers,
        first: bool,
        downsample: bool,
        relu_before_shortcut: bool,
        normalization: TrunkNormalization,
        eps: float,
        momentum: float,
    ) -> None:
        super().__init__()
        self.first = first
        self.downsample = downsample
        self.relu_before_shortcut = relu_before_shortcut and normalization == "none"
        self.normalized = normalization != "none"

        def norm(channels: int, kind: TrunkNormalization = normalization) -> nn.Module:
            return trunk_norm(kind, channels, eps=eps, momentum=momentum)

        self.norm1 = nn.Identity() if first else norm(in_channels)
        self.conv1 = layers.conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = norm(out_channels)
        self.conv2 = layers.conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut: Conv2d | None = None
        if downsample or in_channels != out_channels:
            # The published batch-normalised trunk normalises its shortcut too; per-sample norms
            # stay on the residual, as in WGAN-GP.
            self.shortcut_norm = norm(in_channels, "batch" if normalization == "batch" else "none")
            self.shortcut = layers.conv2d(in_channels, out_channels, 1)

    def _residual(self, x: Tensor) -> Tensor:
        if self.first or self.relu_before_shortcut:
            h = x
        else:
            h = F.relu(self.norm1(x), inplace=self.normalized)
        h = F.relu(self.norm2(self.conv1(h)), inplace=True)
        if not self.downsample:
            return self.conv2(h)  # type: ignore[no-any-return]
        return conv_pool(h, self.conv2) if self.folded else F.avg_pool2d(self.conv2(h), 2)

    def _skip(self, x: Tensor) -> Tensor:
        if self.shortcut is None:
            return x
        # The first block pools before its norm, the others after: as published.
        if self.first and self.downsample:
            return self.shortcut(self.shortcut_norm(F.avg_pool2d(x, 2)))  # type: ignore[no-any-return]
        x = self.shortcut_norm(x)
        if not self.downsample:
            return self.shortcut(x)  # type: ignore[no-any-return]
        if self.folded:
            return self.shortcut(F.avg_pool2d(x, 2))  # type: ignore[no-any-return]
        return F.avg_pool2d(self.shortcut(x), 2)

    def forward(self, x: Tensor) -> Tensor:
        if self.relu_before_shortcut and not self.first:
            x = F.relu(x, inplace=True)
        return self._residual(x) + self._skip(x)


def set_folded(network: nn.Module, folded: bool) -> None:
    """Chooses folded or plain resampling in every residual block: same results, other speed."""
    for module in network.modules():
        if isinstance(module, GeneratorBlock | TrunkBlock):
            module.folded = folded


def channels_last_like(x: Tensor, weight: Tensor) -> Tensor:
    """``x`` (B, C, H, W) in the memory format of a convolution's weight."""
    if weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous():
        return x.contiguous(memory_format=torch.channels_last)
    return x
