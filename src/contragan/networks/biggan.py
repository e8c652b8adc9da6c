"""BigGAN: a residual generator with a latent of several levels and a shared class embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from contragan.layers import Layers
from contragan.networks.base import GeneratorSettings
from contragan.networks.normalization import ConditionalBatchNorm2d
from contragan.networks.residual import (
    LAYOUTS,
    ResidualGenerator,
    ResidualTrunkConfig,
    check_residual_generator,
)


class BigGANGeneratorConfig(GeneratorSettings):
    """Settings of :class:`BigGANGenerator`; ``shared_dim`` is the class embedding's size."""

    kind: Literal["biggan"]
    shared_dim: PositiveInt


class BigGANTrunkConfig(ResidualTrunkConfig):
    """Settings of the residual trunk, under BigGAN's name."""

    kind: Literal["biggan"]


def check_biggan_generator(config: BigGANGeneratorConfig, resolution: int) -> None:
    """Raises ValueError, with the reason and the fix, where these settings cannot be built."""
    check_residual_generator(config, resolution)
    chunks = len(LAYOUTS[resolution].generator_in) + 1
    if config.latent_dim % chunks:
        below = max(config.latent_dim // chunks, 1) * chunks
        raise ValueError(
            f"latent_dim is {config.latent_dim}, but BigGAN at resolution {resolution} splits it "
            f"into {chunks} equal chunks; use a multiple of {chunks} such as {below}"
        )


class BigGANGenerator(ResidualGenerator):
    """The latent is split into blocks + 1 chunks: one for the linear layer, one for each block.

    A block's conditional batch norms see its chunk beside the shared class embedding; without
    labels they see the chunk alone, as in the published software, so no part of the latent is
    idle. Source: Brock et al. 2019, Appendix B.
    """

    def __init__(
        self,
        config: BigGANGeneratorConfig,
        resolution: int,
        image_channels: int,
        num_classes: int,
    ) -> None:
        chunk_dim = config.latent_dim // (len(LAYOUTS[resolution].generator_in) + 1)
        condition_dim = chunk_dim + (config.shared_dim if config.conditional else 0)
        layers = Layers(config.spectral_norm)

        def norm(channels: int) -> nn.Module:
            return ConditionalBatchNorm2d(
                channels,
                condition_dim,
                layers=layers,
                eps=config.batch_norm_eps,
                momentum=config.conditional_batch_norm_momentum,
            )

        super().__init__(
            config,
            resolution=resolution,
            image_channels=image_channels,
            num_classes=num_classes,
            linear_dim=chunk_dim,
            block_norm=norm,
        )
        self.chunk_dim = chunk_dim
        if config.conditional:
            # Never spectrally normalised: it is a table, not a layer of the Lipschitz bound.
            self.shared = Layers().embedding(num_classes, config.shared_dim)

    def inputs(self, z: Tensor, label: Tensor) -> tuple[Tensor, Sequence[Tensor | None]]:
        first, *chunks = torch.split(z, self.chunk_dim, 1)
        if not self.conditional:
            return first, chunks
        embedded = self.shared(label)
        return first, [torch.cat([embedded, chunk], 1) for chunk in chunks]
