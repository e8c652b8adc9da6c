"""Generators and discriminator trunks: they know no loss and no head."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contragan.models.base import Generator, Trunk
from contragan.models.biggan import (
    BigGANGenerator,
    BigGANGeneratorConfig,
    BigGANTrunkConfig,
    check_biggan_generator,
)
from contragan.models.dcgan import (
    DCGANGenerator,
    DCGANGeneratorConfig,
    DCGANTrunk,
    DCGANTrunkConfig,
    check_dcgan,
)
from contragan.models.layers.normalization import has_batch_statistics, synchronized
from contragan.models.resgan import (
    ResGANGenerator,
    ResGANGeneratorConfig,
    ResGANTrunkConfig,
)
from contragan.models.residual import (
    ResidualTrunk,
    check_residual_generator,
    check_residual_trunk,
)

GeneratorConfig = Annotated[
    DCGANGeneratorConfig | ResGANGeneratorConfig | BigGANGeneratorConfig,
    Field(discriminator="kind"),
]
TrunkConfig = Annotated[
    DCGANTrunkConfig | ResGANTrunkConfig | BigGANTrunkConfig, Field(discriminator="kind")
]

__all__ = [
    "BigGANGeneratorConfig",
    "BigGANTrunkConfig",
    "DCGANGeneratorConfig",
    "DCGANTrunkConfig",
    "Generator",
    "GeneratorConfig",
    "ResGANGeneratorConfig",
    "ResGANTrunkConfig",
    "Trunk",
    "TrunkConfig",
    "build_generator",
    "build_trunk",
    "check_generator",
    "check_trunk",
    "has_batch_statistics",
    "synchronized",
]


def check_generator(config: GeneratorConfig, resolution: int) -> None:
    """Raises ValueError, with the reason and the fix, where these settings cannot be built."""
    if isinstance(config, DCGANGeneratorConfig):
        check_dcgan(config, resolution)
    elif isinstance(config, BigGANGeneratorConfig):
        check_biggan_generator(config, resolution)
    else:
        check_residual_generator(config, resolution)


def check_trunk(config: TrunkConfig, resolution: int) -> None:
    """Raises ValueError, with the reason and the fix, where these settings cannot be built."""
    if isinstance(config, DCGANTrunkConfig):
        check_dcgan(config, resolution)
    else:
        check_residual_trunk(config, resolution)


def build_generator(
    config: GeneratorConfig, *, resolution: int, image_channels: int, num_classes: int
) -> Generator:
    """A new generator of images (B, image_channels, resolution, resolution).

    Raises ValueError where ``check_generator`` does.
    """
    check_generator(config, resolution)
    if isinstance(config, DCGANGeneratorConfig):
        return DCGANGenerator(config, resolution, image_channels, num_classes)
    if isinstance(config, BigGANGeneratorConfig):
        return BigGANGenerator(config, resolution, image_channels, num_classes)
    return ResGANGenerator(config, resolution, image_channels, num_classes)


def build_trunk(config: TrunkConfig, *, resolution: int, image_channels: int) -> Trunk:
    """A new discriminator trunk. Raises ValueError where ``check_trunk`` does."""
    check_trunk(config, resolution)
    if isinstance(config, DCGANTrunkConfig):
        return DCGANTrunk(config, resolution, image_channels)
    return ResidualTrunk(config, resolution, image_channels)
