"""The image transformation that consistency losses, contrastive views and augmentation share."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

SHIFT_SHARE = 8
"""An image moves by at most its side divided by this."""


def flip_and_shift(
    images: Float[Tensor, "B C H W"], random: torch.Generator
) -> Float[Tensor, "B C H W"]:
    """Each image mirrored with probability 1/2 and moved by up to 1/8 of its side.

    The shift is a whole number of pixels along both axes; what moves in is the reflection of the
    image. Differentiable in the images, to any order.

    Source: the transformation T of consistency regularisation (Zhang et al. 2020, Sec. 3.1).
    """
    count, _, height, width = images.shape
    rows = _reflected(_shifts(count, height, random), height)
    columns = _reflected(_shifts(count, width, random), width)
    mirrored = torch.rand(count, generator=random, device=images.device) < 0.5
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    return take_pixels(images, rows, columns)


def take_pixels(
    images: Float[Tensor, "B C H W"], rows: Int[Tensor, "B H"], columns: Int[Tensor, "B W"]
) -> Float[Tensor, "B C H W"]:
    """Image b's pixel (i, j) becomes its pixel (rows[b, i], columns[b, j])."""
    moved = images.gather(2, rows[:, None, :, None].expand_as(images))
    return moved.gather(3, columns[:, None, None, :].expand_as(images))


def _shifts(count: int, side: int, random: torch.Generator) -> Tensor:
    most = side // SHIFT_SHARE
    return torch.randint(-most, most + 1, (count, 1), generator=random, device=random.device)


def _reflected(shift: Tensor, side: int) -> Tensor:
    """Indices (B, side) of a line moved by ``shift`` (B, 1), mirrored at its end pixels."""
    index = torch.arange(side, device=shift.device) + shift
    return side - 1 - (side - 1 - index.abs()).abs()
