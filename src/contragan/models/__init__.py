"""Generators and discriminator trunks: one file each, one line each in the unions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contragan.core.registry import union
from contragan.core.resolution import Resolution
from contragan.models.base import Generator, GeneratorSettings, Trunk, TrunkSettings
from contragan.models.biggan import BigGANGeneratorConfig, BigGANTrunkConfig
from contragan.models.dcgan import DCGANGeneratorConfig, DCGANTrunkConfig
from contragan.models.resgan import ResGANGeneratorConfig, ResGANTrunkConfig

if TYPE_CHECKING:
    GeneratorConfig = GeneratorSettings
    TrunkConfig = TrunkSettings
else:
    GeneratorConfig = union(
        "generators",
        DCGANGeneratorConfig,
        ResGANGeneratorConfig,
        BigGANGeneratorConfig,
        base=GeneratorSettings,
    )
    TrunkConfig = union(
        "trunks",
        DCGANTrunkConfig,
        ResGANTrunkConfig,
        BigGANTrunkConfig,
        base=TrunkSettings,
    )

__all__ = [
    "Generator",
    "GeneratorConfig",
    "Trunk",
    "TrunkConfig",
    "build_generator",
    "build_trunk",
]


def build_generator(
    config: GeneratorConfig, *, resolution: Resolution, image_channels: int, num_classes: int
) -> Generator:
    """A new generator of images (B, image_channels, H, W) of that resolution.

    Raises:
        ValueError: with the reason and the fix, where these settings cannot be built.
    """
    config.check(resolution)
    return config.build(resolution, image_channels, num_classes)


def build_trunk(config: TrunkConfig, *, resolution: Resolution, image_channels: int) -> Trunk:
    """A new discriminator trunk on images (B, image_channels, H, W) of that resolution.

    Raises:
        ValueError: with the reason and the fix, where these settings cannot be built.
    """
    config.check(resolution)
    return config.build(resolution, image_channels)
