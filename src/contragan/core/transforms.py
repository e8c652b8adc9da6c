"""The image transformation that consistency losses, contrastive views and augmentation share."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contragan.core.types import Batch

Transform = Literal["random", "indexed"]
"""How a copy is flipped and shifted: drawn anew each time, or fixed by the image's index."""

_VARIANTS = 18

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


def indexed_flip_and_shift(
    images: Float[Tensor, "B C H W"], index: Int[Tensor, " B"]
) -> Float[Tensor, "B C H W"]:
    """One of 18 fixed transformations each: mirrored or not, then moved by -p, 0 or p both ways.

    p is 1/8 of the side. An image with the same index is always transformed alike, as in the
    experiments of Kang and Park 2020.
    """
    _, _, height, width = images.shape
    variant = index % _VARIANTS
    down = (variant % 3 - 1) * (height // SHIFT_SHARE)
    right = (variant % 9 // 3 - 1) * (width // SHIFT_SHARE)
    columns = _reflected(right[:, None], width)
    columns = torch.where(variant[:, None] < _VARIANTS // 2, width - 1 - columns, columns)
    return take_pixels(images, _reflected(down[:, None], height), columns)


def copies(batch: Batch, random: torch.Generator, transform: Transform) -> Float[Tensor, "B C H W"]:
    """Flipped and shifted copies of a batch; generated images have no index, so draw theirs."""
    if transform == "random" or batch.index is None:
        return flip_and_shift(batch.images, random)
    return indexed_flip_and_shift(batch.images, batch.index)


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
