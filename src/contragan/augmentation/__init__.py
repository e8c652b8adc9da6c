"""Differentiable augmentations of what the discriminator sees: one file each."""

from typing import TYPE_CHECKING

from contragan.augmentation.ada import AdaptiveConfig
from contragan.augmentation.base import Augmentation, AugmentationSettings
from contragan.augmentation.diff_augment import DiffAugmentConfig
from contragan.augmentation.flip_shift import FlipShiftConfig
from contragan.core.registry import union

if TYPE_CHECKING:
    AugmentationConfig = AugmentationSettings
else:
    AugmentationConfig = union(
        "augmentations",
        FlipShiftConfig,
        DiffAugmentConfig,
        AdaptiveConfig,
        base=AugmentationSettings,
    )

__all__ = ["Augmentation", "AugmentationConfig"]
