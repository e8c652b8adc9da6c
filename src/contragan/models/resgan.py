"""ResGAN: the residual networks of SNGAN, SAGAN and the Wasserstein GANs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from contragan.core.resolution import Resolution
from contragan.models.layers.normalization import BatchNorm2d, ConditionalBatchNorm2d
from contragan.models.residual import (
    ResidualGenerator,
    ResidualGeneratorSettings,
    ResidualTrunkSettings,
    layout,
)


class ResGANGeneratorConfig(ResidualGeneratorSettings):
    """ResGAN's residual generator: blocks see the label only."""

    kind: Literal["resgan"]

    def build(
        self, resolution: Resolution, image_channels: int, num_classes: int
    ) -> ResGANGenerator:
        return ResGANGenerator(self, resolution, image_channels, num_classes)


class ResGANTrunkConfig(ResidualTrunkSettings):
    """The residual trunk that BigGAN and ResGAN share."""

    kind: Literal["resgan"]


class ResGANGenerator(ResidualGenerator):
    """The whole latent feeds the linear layer; one-hot labels drive the blocks' batch norms.

    Without labels the blocks have plain batch norm. Source: Miyato and Koyama 2018.
    """

    def __init__(
        self,
        config: ResGANGeneratorConfig,
        resolution: Resolution,
        image_channels: int,
        num_classes: int,
    ) -> None:
        def norm(channels: int) -> nn.Module:
            if config.conditional:
                return ConditionalBatchNorm2d(
                    channels,
                    num_classes,
                    layers=config.conditional_batch_norm_layers,
                    eps=config.batch_norm_eps,
                    momentum=config.conditional_batch_norm_momentum,
                )
            return BatchNorm2d(
                channels, eps=config.batch_norm_eps, momentum=config.batch_norm_momentum
            )

        super().__init__(
            config,
            resolution=resolution,
            image_channels=image_channels,
            num_classes=num_classes,
            linear_dim=config.latent_dim,
            block_norm=norm,
        )
        self.num_blocks = len(layout(resolution).generator_in)

    def inputs(self, z: Tensor, label: Tensor) -> tuple[Tensor, Sequence[Tensor | None]]:
        condition = self.one_hot(label, z.dtype) if self.conditional else None
        return z, [condition] * self.num_blocks
