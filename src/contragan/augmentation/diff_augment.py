"""DiffAugment: colour, translation and cutout."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from contragan.augmentation.base import Augmentation, AugmentationSettings
from contragan.core.transforms import take_pixels

Policy = Literal["color", "translation", "cutout"]


class DiffAugmentConfig(AugmentationSettings):
    """DiffAugment: every image is transformed, with random strength."""

    kind: Literal["diff_augment"]
    policy: tuple[Policy, ...] = ("color", "translation", "cutout")
    """Transformations, in this order: color, translation, cutout; by default all three, as in the
    paper on few images."""

    def build(self, device: torch.device) -> DiffAugment:
        return DiffAugment(self.policy)


class DiffAugment(Augmentation):
    """Applies each transformation of ``policy`` to every image, with random strength.

    Colour adds up to +-0.5 of brightness, scales the distance from the pixel's mean over channels
    by [0, 2) and from the image's mean by [0.5, 1.5). Translation moves by up to 1/8 of the side,
    0 (mid-grey) moving in. Cutout blanks a square of half the side around a random pixel, of a
    rectangle half of each side.

    Source: Zhao et al. 2020 (DiffAugment), Sec. 3.2 and Appendix.
    """

    def __init__(self, policy: tuple[Policy, ...]) -> None:
        table = {"color": color, "translation": translation, "cutout": cutout}
        self.transforms = [table[name] for name in policy]

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        for transform in self.transforms:
            images = transform(images, random)
        return images


def color(images: Tensor, random: torch.Generator) -> Tensor:
    """Random brightness, saturation and contrast."""
    strength = torch.rand(3, len(images), 1, 1, 1, generator=random, device=images.device)
    brightness, saturation, contrast = strength.to(images.dtype)
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    middle = images.mean((1, 2, 3), keepdim=True)
    recolored: Tensor = middle + (images - middle) * (contrast + 0.5)
    return recolored


def translation(images: Tensor, random: torch.Generator) -> Tensor:
    """Moved by up to 1/8 of the side along each axis; 0 moves in."""
    count, _, height, width = images.shape
    padded = F.pad(images, (1, 1, 1, 1))
    rows, columns = (_moved(count, side, random) for side in (height, width))
    return take_pixels(padded, rows, columns)[:, :, 1:-1, 1:-1]


def _moved(count: int, side: int, random: torch.Generator) -> Tensor:
    """Indices (B, side + 2) into a line padded by one on both ends; beyond it, the padding."""
    most = int(side / 8 + 0.5)
    shift = torch.randint(-most, most + 1, (count, 1), generator=random, device=random.device)
    return (torch.arange(side + 2, device=random.device) + shift).clamp(0, side + 1)


def cutout(images: Tensor, random: torch.Generator) -> Tensor:
    """Half of each side around a random pixel becomes 0, cut off at the border."""
    count, _, height, width = images.shape
    rows, columns = (_cut(count, side, random) for side in (height, width))
    hole = rows[:, None, :, None] & columns[:, None, None, :]
    return images.masked_fill(hole, 0)


def _cut(count: int, side: int, random: torch.Generator) -> Tensor:
    size = side // 2
    center = torch.randint(
        0, side + 1 - size % 2, (count, 1), generator=random, device=random.device
    )
    start = center - size // 2
    index = torch.arange(side, device=random.device)
    return (index >= start) & (index < start + size)
