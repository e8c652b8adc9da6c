"""A 3x3 convolution to few channels, as a product of matrices.

Libraries block their convolutions by 16 output channels, so three of them take as long as 16. As a
product each of the kernel's nine taps has its own output channels, which are moved by one pixel in
the tap's direction and summed: ``sum_taps``. Its transpose ``taps`` gives every pixel its nine
neighbours, which is what the gradient of such a convolution begins with.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

TAPS = 3


class _Taps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        batch, channels, height, width = ctx.shape = x.shape
        bordered = F.pad(x, (1, 1, 1, 1))
        over_batch, over_channels, down, right = bordered.stride()
        windows = bordered.as_strided(
            (batch, TAPS, TAPS, channels, height, width),
            (over_batch, down, right, over_channels, down, right),
        )
        return windows.reshape(batch, TAPS**2 * channels, height * width)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        return sum_taps(gradient, ctx.shape)


class _SumTaps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, products: Tensor, shape: torch.Size) -> Tensor:
        ctx.dtype = products.dtype
        batch, channels, height, width = shape
        products = products.view(batch, TAPS, TAPS, channels, height, width)
        dtype = torch.promote_types(products.dtype, torch.float32)
        bordered = products.new_zeros((batch, channels, height + 2, width + 2), dtype=dtype)
        for row in range(TAPS):
            for column in range(TAPS):
                moved = bordered[:, :, row : row + height, column : column + width]
                moved.add_(products[:, row, column])
        return bordered[:, :, 1:-1, 1:-1].clone(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return taps(gradient.to(ctx.dtype)), None


def taps(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, 9C, HW): each pixel's neighbours, zero beyond the border.

    Neighbour (row, column, channel) is that at (y + row - 1, x + column - 1).
    """
    neighbours: Tensor = _Taps.apply(x)
    return neighbours


def sum_taps(products: Tensor, shape: torch.Size) -> Tensor:
    """(B, 9C, HW) to ``shape`` (B, C, H, W), in float32 or wider: the transpose of :func:`taps`."""
    image: Tensor = _SumTaps.apply(products, shape)
    return image


class _FewOutputsConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        shape = torch.Size((len(x), len(weight), *x.shape[2:]))
        return sum_taps(torch.matmul(_as_matrix(weight), x.flatten(2)), shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        gradient = taps(gradients[0].to(x.dtype))
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            pixels = torch.matmul(gradient.mT, _as_matrix(weight))
            of_x = pixels.view(len(x), *x.shape[2:], weight.shape[1]).movedim(-1, 1)
        if ctx.needs_input_grad[1]:
            matrix = torch.matmul(gradient, x.flatten(2).mT).sum(0)
            of_weight = matrix.view(TAPS, TAPS, *weight.shape[:2]).permute(2, 3, 0, 1).flip(2, 3)
        return of_x, of_weight


def _as_matrix(weight: Tensor) -> Tensor:
    """A kernel (O, I, 3, 3) as a matrix (9O, I), its taps in the order of :func:`sum_taps`."""
    return weight.flip(2, 3).permute(2, 3, 0, 1).flatten(0, 2)


def few_outputs_conv(x: Tensor, weight: Tensor) -> Tensor:
    """``F.conv2d(x, weight, padding=1)`` for x (B, I, H, W) and weight (O, I, 3, 3), few O.

    The result (B, O, H, W) is float32 or wider: autocast sets the precision of the products, but
    not of their sum.
    """
    device = x.device.type
    if torch.is_autocast_enabled(device) and x.dtype != torch.float64:
        dtype = torch.get_autocast_dtype(device)
        x, weight = x.to(dtype), weight.to(dtype)
    image: Tensor = _FewOutputsConv.apply(x, weight)
    return image
