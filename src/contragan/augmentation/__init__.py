"""Differentiable augmentations of what the discriminator sees: one file each."""

from typing import Annotated

from pydantic import Field

from contragan.augmentation.ada import AdaptiveConfig
from contragan.augmentation.base import Augmentation
from contragan.augmentation.diff_augment import DiffAugmentConfig
from contragan.augmentation.flip_shift import FlipShiftConfig

AugmentationConfig = Annotated[
    FlipShiftConfig | DiffAugmentConfig | AdaptiveConfig, Field(discriminator="kind")
]

__all__ = ["Augmentation", "AugmentationConfig"]
