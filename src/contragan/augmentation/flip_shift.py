"""Random flips and shifts."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from contragan.augmentation.base import Augmentation, AugmentationSettings
from contragan.core.transforms import flip_and_shift


class FlipShiftConfig(AugmentationSettings):
    """Flip with probability 1/2, shift by up to 1/8 of the side: see ``flip_and_shift``."""

    kind: Literal["flip_shift"]

    def build(self, device: torch.device) -> FlipShift:
        return FlipShift()


class FlipShift(Augmentation):
    """Random flip and shift of each image. Source: Zhang et al. 2020, Sec. 3.1."""

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        return flip_and_shift(images, random)
