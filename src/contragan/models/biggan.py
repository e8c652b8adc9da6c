"""BigGAN: a residual generator with a latent of several levels and a shared class embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from contragan.core.resolution import Resolution
from contragan.models.layers.factory import Layers
from contragan.models.layers.normalization import BatchNorm2d, ConditionalBatchNorm2d
from contragan.models.residual import (
    ResidualGenerator,
    ResidualGeneratorSettings,
    ResidualTrunkSettings,
    layout,
)


class BigGANGeneratorConfig(ResidualGeneratorSettings):
    """BigGAN's residual generator: each block sees a chunk of the latent and the class."""

    kind: Literal["biggan"]
    shared_dim: PositiveInt
    """Size of the class embedding that all blocks share."""
    latent_in_blocks: bool = True
    """Whether each block gets a chunk of the latent of its own. With false blocks see the label
    alone, or nothing, and all chunks but the first are unused, as in the published unconditional
    BigGAN."""

    def check(self, resolution: Resolution) -> None:
        super().check(resolution)
        chunks = len(layout(resolution).generator_in) + 1
        if self.latent_dim % chunks:
            below = max(self.latent_dim // chunks, 1) * chunks
            raise ValueError(
                f"latent_dim is {self.latent_dim}, but BigGAN at resolution {resolution} splits it "
                f"into {chunks} equal chunks; use a multiple of {chunks} such as {below}"
            )

    def build(
        self, resolution: Resolution, image_channels: int, num_classes: int
    ) -> BigGANGenerator:
        return BigGANGenerator(self, resolution, image_channels, num_classes)


class BigGANTrunkConfig(ResidualTrunkSettings):
    """The residual trunk that BigGAN and ResGAN share."""

    kind: Literal["biggan"]


class BigGANGenerator(ResidualGenerator):
    """The latent is split into blocks + 1 chunks: one for the linear layer, one for each block.

    A block's conditional batch norms see its chunk beside the shared class embedding; without
    labels they see the chunk alone. Source: Brock et al. 2019, Appendix B.
    """

    def __init__(
        self,
        config: BigGANGeneratorConfig,
        resolution: Resolution,
        image_channels: int,
        num_classes: int,
    ) -> None:
        num_blocks = len(layout(resolution).generator_in)
        chunk_dim = config.latent_dim // (num_blocks + 1)
        condition_dim = chunk_dim * config.latent_in_blocks
        condition_dim += config.shared_dim * config.conditional

        def norm(channels: int) -> nn.Module:
            if not condition_dim:
                return BatchNorm2d(
                    channels, eps=config.batch_norm_eps, momentum=config.batch_norm_momentum
                )
            return ConditionalBatchNorm2d(
                channels,
                condition_dim,
                layers=config.conditional_batch_norm_layers,
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
        self.num_blocks = num_blocks
        self.chunk_dim = chunk_dim
        self.latent_in_blocks = config.latent_in_blocks
        if config.conditional:
            # Never spectrally normalised: it is a table, not a layer of the Lipschitz bound.
            self.shared = Layers().embedding(num_classes, config.shared_dim)

    def inputs(self, z: Tensor, label: Tensor) -> tuple[Tensor, Sequence[Tensor | None]]:
        first, *chunks = torch.split(z, self.chunk_dim, 1)
        embedded = self._embedded(label) if self.conditional else None
        if not self.latent_in_blocks:
            return first, [embedded] * self.num_blocks
        if embedded is None:
            return first, chunks
        return first, [torch.cat([embedded, chunk], 1) for chunk in chunks]

    def _embedded(self, label: Tensor) -> Tensor:
        """The shared embedding of labels (B,), or the mean embedding of mixtures (B, K)."""
        if label.is_floating_point():
            return label @ self.shared.effective_weight().to(label.dtype)
        embedded: Tensor = self.shared(label)
        return embedded
