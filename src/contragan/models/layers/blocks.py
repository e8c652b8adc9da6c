"""Residual blocks, with resampling folded into their convolutions.

Nearest 2x upsampling is a transposed convolution of stride 2 with a 2x2 box of ones, and 2x2
average pooling a convolution of stride 2 with such a box. Convolutions commute, so

- a 3x3 convolution after upsampling is a transposed 3x3 convolution of stride 2, then the box;
- a 3x3 convolution before pooling is the box, then a 3x3 convolution of stride 2;
- in both the box may filter the 3x3 kernel instead of the images, which makes it a 4x4 kernel.

A plain block takes 36 multiplications for each low-resolution pixel, the box on the kernel 16 and
the box on the images 9 and a pass over them: on a CPU, where multiplications cost most, the images
are filtered, elsewhere the kernel. A 1x1 convolution commutes with both resizings, so it runs at
the low resolution. All identities are exact, borders included; parameters are those of the plain
blocks.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contragan.models.layers.factory import Conv2d, Layers, Reformulated
from contragan.models.layers.normalization import TrunkNormalization, trunk_norm

Filtered = Literal["images", "kernel"]
"""What the box filters."""


def upsample(x: Tensor) -> Tensor:
    """Nearest-neighbour 2x upsampling."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


class _Box(torch.autograd.Function):
    """Sum over 2x2 windows of stride 1, divided by ``divisor``, after adding ``padding`` zeros.

    The forms with a border (padding 1) and without (0) are each other's transpose, so the gradient
    is a box as well, and no activation is kept for it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, padding: int, divisor: int) -> Tensor:
        ctx.padding, ctx.divisor = padding, divisor
        return F.avg_pool2d(x, 2, stride=1, padding=padding, divisor_override=divisor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        return box(gradient, 1 - ctx.padding, ctx.divisor), None, None


def box(x: Tensor, padding: int, divisor: int) -> Tensor:
    """:class:`_Box` on (B, C, H, W): one row and column more (padding 1) or less (0)."""
    filtered: Tensor = _Box.apply(x, padding, divisor)
    return filtered


def filtered_on(device: torch.device) -> Filtered:
    """What to filter there: measured on CPUs, assumed on GPUs."""
    return "images" if device.type == "cpu" else "kernel"


def upsample_conv(x: Tensor, conv: Conv2d, filtered: Filtered | None = None) -> Tensor:
    """``conv(upsample(x))`` for a 3x3 ``conv``, as one transposed convolution."""
    kernel = conv.effective_weight().flip(2, 3).transpose(0, 1)
    if (filtered or filtered_on(x.device)) == "kernel":
        return F.conv_transpose2d(x, box(kernel, 1, 1), conv.bias, stride=2, padding=1)
    larger = box(F.conv_transpose2d(x, kernel, stride=2), 0, 1)
    # The cast keeps the precision that autocast chose.
    return larger if conv.bias is None else larger.add_(conv.bias.to(larger.dtype)[:, None, None])


def conv_pool(x: Tensor, conv: Conv2d, filtered: Filtered | None = None) -> Tensor:
    """``avg_pool2d(conv(x), 2)`` for a 3x3 ``conv``, as one strided convolution."""
    kernel = conv.effective_weight()
    if (filtered or filtered_on(x.device)) == "kernel":
        return F.conv2d(x, box(kernel, 1, 4), conv.bias, stride=2, padding=1)
    return F.conv2d(box(x, 1, 4), kernel, conv.bias, stride=2)


class GeneratorBlock(Reformulated):
    """Residual block that doubles the side: (B, I, H, W) to (B, O, 2H, 2W).

    Norm, ReLU, upsample, conv, norm, ReLU, conv; shortcut: upsample, 1x1 conv. ``condition`` goes
    to both norms where it is given.
    """

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
        h = self.conv1(upsample(h)) if self.plain else upsample_conv(h, self.conv1)
        h = self.conv2(F.relu(self.norm2(h, *given), inplace=True))
        skip = self.shortcut(upsample(x)) if self.plain else upsample(self.shortcut(x))
        return torch.add(h, skip)


class TrunkBlock(Reformulated):
    """Residual block of a discriminator: (B, I, H, W) to (B, O, H, W), halved if ``downsample``.

    Norm, ReLU, conv, norm, ReLU, conv, average pooling; the first block of a trunk leaves out the
    leading norm and ReLU. The shortcut is a 1x1 conv and average pooling, or the identity where
    the block changes neither side nor channels. ``relu_before_shortcut`` gives the shortcut
    ReLU(x) where the block has no norm, as the published software does through an in-place ReLU.
    """

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
        return F.avg_pool2d(self.conv2(h), 2) if self.plain else conv_pool(h, self.conv2)

    def _skip(self, x: Tensor) -> Tensor:
        if self.shortcut is None:
            return x
        # The first block pools before its norm, the others after: as published.
        if self.first and self.downsample:
            return self.shortcut(self.shortcut_norm(F.avg_pool2d(x, 2)))  # type: ignore[no-any-return]
        x = self.shortcut_norm(x)
        if not self.downsample:
            return self.shortcut(x)  # type: ignore[no-any-return]
        if self.plain:
            return F.avg_pool2d(self.shortcut(x), 2)
        return self.shortcut(F.avg_pool2d(x, 2))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        if self.relu_before_shortcut and not self.first:
            x = F.relu(x, inplace=True)
        return self._residual(x) + self._skip(x)


def channels_last_like(x: Tensor, weight: Tensor) -> Tensor:
    """``x`` (B, C, H, W) in the memory format of a convolution's weight."""
    if weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous():
        return x.contiguous(memory_format=torch.channels_last)
    return x
