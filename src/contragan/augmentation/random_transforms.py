"""The transformations of adaptive augmentation, each applied with one probability p.

Geometry is one matrix per image from output to input coordinates ([-1, 1] along both axes), colour
one 4x4 matrix on (red, green, blue, 1). Values are those of Karras et al. 2020, Appendix B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Chance:
    """Random numbers for ``count`` images, neutral where a transformation is not applied."""

    count: int
    probability: Tensor
    random: torch.Generator

    def uniform(self) -> Tensor:
        """(B,) in [0, 1)."""
        return torch.rand(self.count, generator=self.random, device=self.random.device)

    def normal(self) -> Tensor:
        """(B,) standard normal."""
        return torch.randn(self.count, generator=self.random, device=self.random.device)

    def gated(self, value: Tensor, neutral: float, probability: Tensor | None = None) -> Tensor:
        """``value`` (B,) where the transformation is applied, else ``neutral``."""
        limit = self.probability if probability is None else probability
        return torch.where(self.uniform() < limit, value, neutral)


def _matrices(rows: list[list[Tensor | float]], like: Tensor) -> Tensor:
    """(B, n, n) from entries (B,) or numbers."""
    filled = [[torch.as_tensor(e, device=like.device).expand_as(like) for e in row] for row in rows]
    return torch.stack([torch.stack(row, dim=-1) for row in filled], dim=-2)


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    return _matrices([[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, 1.0]], x)


def _rotation(angle: Tensor, height: int, width: int) -> Tensor:
    """By ``angle`` in pixels, which in a rectangle are not as wide as high in these coordinates."""
    c, s = angle.cos(), angle.sin()
    down, across = width / height, height / width
    return _matrices([[c, -s * across, 0.0], [s * down, c, 0.0], [0.0, 0.0, 1.0]], angle)


def _translation(x: Tensor, y: Tensor) -> Tensor:
    return _matrices([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]], x)


def blit(chance: Chance, height: int, width: int) -> Tensor:
    """Mirroring, quarter turns and whole-pixel shifts of up to 1/8 of the side.

    A quarter turn does not fit in a rectangle, which makes half turns only.
    """
    mirror = chance.gated(1 - 2 * (chance.uniform() * 2).floor(), 1.0)
    turns = 4 if height == width else 2
    turn = chance.gated((chance.uniform() * turns).floor(), 0.0) * (2 * math.pi / turns)
    gate = chance.gated(torch.ones_like(mirror), 0.0)
    x, y = (
        2 / side * ((chance.uniform() * 2 - 1) * side / 8).round() * gate
        for side in (width, height)
    )
    rotation = _rotation(turn, height, width)
    return _scaling(mirror, torch.ones_like(mirror)) @ rotation @ _translation(x, y)


def geometry(chance: Chance, height: int, width: int) -> Tensor:
    """Scaling, two rotations around a change of aspect, and shifts of any size."""
    # Two rotations take place: each with the probability that makes "either" equal p.
    either = 1 - (1 - chance.probability).sqrt()
    size = chance.gated((0.2 * chance.normal()).exp2(), 1.0)
    before = chance.gated((chance.uniform() * 2 - 1) * math.pi, 0.0, either)
    aspect = chance.gated((0.2 * chance.normal()).exp2(), 1.0)
    after = chance.gated((chance.uniform() * 2 - 1) * math.pi, 0.0, either)
    gate = chance.gated(torch.ones_like(size), 0.0)
    x, y = (0.25 * chance.normal() * gate for _ in range(2))
    return (
        _scaling(1 / size, 1 / size)
        @ _rotation(before, height, width)
        @ _scaling(1 / aspect, aspect)
        @ _rotation(after, height, width)
        @ _translation(x, y)
    )


def resample(images: Tensor, transform: Tensor) -> Tensor:
    """Images (B, C, H, W) read at ``transform`` (B, 3, 3) of each output position.

    Bilinear, with the image's reflection outside it. The published software filters before and
    after; here fine detail is a little softer after a rotation.
    """
    grid = F.affine_grid(transform[:, :2].to(images.dtype), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, "bilinear", "reflection", align_corners=False)


def color(chance: Chance) -> Tensor:
    """Brightness, contrast, inverted lightness, hue and saturation: (B, 4, 4)."""
    brightness = chance.gated(0.2 * chance.normal(), 0.0)
    contrast = chance.gated((0.5 * chance.normal()).exp2(), 1.0)
    inverted = chance.gated((chance.uniform() * 2).floor(), 0.0)
    hue = chance.gated((chance.uniform() * 2 - 1) * math.pi, 0.0)
    saturation = chance.gated(chance.normal().exp2(), 1.0)

    device = chance.random.device
    axis = torch.tensor([1.0, 1.0, 1.0, 0.0], device=device) / math.sqrt(3)
    lightness = torch.outer(axis, axis)
    alpha = torch.diag(torch.tensor([0.0, 0.0, 0.0, 1.0], device=device))
    chroma = torch.eye(4, device=device) - lightness - alpha
    # The vector product with the axis: a quarter turn of the chroma plane.
    turn = torch.zeros(4, 4, device=device)
    turn[:3, :3] = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / 3**0.5

    def spread(value: Tensor) -> Tensor:
        return value[:, None, None]

    shift = torch.zeros(chance.count, 4, 4, device=device)
    shift[:, :3, 3] = brightness[:, None]
    flip = lightness * spread(1 - 2 * inverted) + chroma + alpha
    rotate = lightness + alpha + spread(hue.cos()) * chroma + spread(hue.sin()) * turn
    fade = lightness + alpha + spread(saturation) * chroma
    gain = spread(contrast) * (lightness + chroma) + alpha
    return fade @ rotate @ flip @ gain @ (torch.eye(4, device=device) + shift)


def recolor(images: Tensor, transform: Tensor) -> Tensor:
    """Each pixel of images (B, C, H, W) through ``transform`` (B, 4, 4); grey as (g, g, g)."""
    transform = transform.to(images.dtype)
    matrix, shift = transform[:, :3, :3], transform[:, :3, 3:]
    if images.shape[1] == 1:
        matrix, shift = matrix.sum(2, keepdim=True).mean(1, keepdim=True), shift.mean(1, True)
    flat = torch.baddbmm(shift, matrix, images.flatten(2))
    return flat.reshape(len(images), -1, *images.shape[2:])
