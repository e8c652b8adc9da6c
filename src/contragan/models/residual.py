"""The residual networks that ResGAN and BigGAN share: layouts, trunk, generator body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contragan.core.resolution import Resolution
from contragan.models.base import (
    ConvolutionalGeneratorSettings,
    ConvolutionalTrunkSettings,
    Generator,
    Trunk,
    at_least_float32,
    check_attention,
    check_resolution,
    doublings,
    start,
)
from contragan.models.layers.attention import SelfAttention
from contragan.models.layers.blocks import GeneratorBlock, TrunkBlock, channels_last_like
from contragan.models.layers.factory import Layers
from contragan.models.layers.normalization import BatchNorm2d


@dataclass(frozen=True)
class Layout:
    """Widths in multiples of ``channels``, block by block."""

    generator_in: tuple[int, ...]
    generator_out: tuple[int, ...]
    trunk_out: tuple[int, ...]
    downsample: tuple[bool, ...]


LAYOUTS = {
    2: Layout((4, 4), (4, 4), (2, 2, 2), (True, True, False)),
    3: Layout((4, 4, 4), (4, 4, 4), (2, 2, 2, 2), (True, True, False, False)),
    4: Layout((16, 8, 4, 2), (8, 4, 2, 1), (1, 2, 4, 8, 16), (True,) * 4 + (False,)),
    5: Layout((16, 16, 8, 4, 2), (16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16), (True,) * 5 + (False,)),
    6: Layout(
        (16, 16, 8, 8, 4, 2),
        (16, 8, 8, 4, 2, 1),
        (1, 2, 4, 8, 8, 16, 16),
        (True,) * 6 + (False,),
    ),
    7: Layout(
        (16, 16, 8, 8, 4, 2, 1),
        (16, 8, 8, 4, 2, 1, 1),
        (1, 1, 2, 4, 8, 8, 16, 16),
        (True,) * 7 + (False,),
    ),
}
"""By how often the generator doubles its start: 2 times for 16 x 16, 7 times for 512 x 512.

From 3 on as published, with a start of 4 x 4 (Brock et al. 2019, Appendix B, and the published
ContraGAN software); other starts, as 6 x 6 for 96 x 96, have the same widths.
"""


def layout(resolution: Resolution) -> Layout:
    """The layout for images of that size, which :func:`check_resolution` has let pass."""
    return LAYOUTS[doublings(resolution)]


class ResidualGeneratorSettings(ConvolutionalGeneratorSettings):
    """Settings of every residual generator."""

    def check(self, resolution: Resolution) -> None:
        check_resolution("generator", resolution, tuple(LAYOUTS))
        widths = [self.channels * multiple for multiple in layout(resolution).generator_out]
        check_attention("generator", self.attention_after_block, widths)


class ResidualTrunkSettings(ConvolutionalTrunkSettings):
    """Adds to a trunk's settings whether shortcuts receive ReLU(x) (published) or x (BigGAN's
    authors); with a norm in the blocks they receive x either way."""

    relu_before_shortcut: bool
    """Whether shortcuts receive ReLU(x), as in the published software, or x, as with BigGAN's
    authors."""

    def check(self, resolution: Resolution) -> None:
        check_resolution("trunk", resolution, tuple(LAYOUTS))
        widths = [self.channels * multiple for multiple in layout(resolution).trunk_out]
        check_attention("trunk", self.attention_after_block, widths)

    def build(self, resolution: Resolution, image_channels: int) -> ResidualTrunk:
        return ResidualTrunk(self, resolution, image_channels)


class ResidualGenerator(Generator):
    """Linear layer to a small map, residual blocks, batch norm, ReLU, conv3x3, tanh.

    A subclass says in :meth:`inputs` what feeds the linear layer and what conditions each block;
    ``block_norm`` makes a block's batch norm for a number of channels.
    """

    def __init__(
        self,
        config: ConvolutionalGeneratorSettings,
        *,
        resolution: Resolution,
        image_channels: int,
        num_classes: int,
        linear_dim: int,
        block_norm: Callable[[int], nn.Module],
    ) -> None:
        super().__init__(
            latent_dim=config.latent_dim, num_classes=num_classes, conditional=config.conditional
        )
        layers = Layers(config.spectral_norm)
        of = layout(resolution)
        ins = [config.channels * multiple for multiple in of.generator_in]
        outs = [config.channels * multiple for multiple in of.generator_out]
        self.start = start(resolution)
        self.linear = layers.linear(linear_dim, ins[0] * prod(self.start))
        self.blocks = nn.ModuleList(
            GeneratorBlock(i, o, layers=layers, norm1=block_norm(i), norm2=block_norm(o))
            for i, o in zip(ins, outs, strict=True)
        )
        self.attention_after_block = config.attention_after_block
        if config.attention_after_block is not None:
            self.attention = SelfAttention(outs[config.attention_after_block - 1], layers=layers)
        self.norm = BatchNorm2d(
            outs[-1], eps=config.batch_norm_eps, momentum=config.batch_norm_momentum
        )
        self.to_image = layers.conv2d(outs[-1], image_channels, 3, padding=1)

    def inputs(self, z: Tensor, label: Tensor) -> tuple[Tensor, Sequence[Tensor | None]]:
        """The linear layer's input and each block's condition."""
        raise NotImplementedError

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        first, conditions = self.inputs(z, label)
        h = self.linear(first).unflatten(1, (-1, *self.start))
        h = channels_last_like(h, self.to_image.weight)
        for index, (block, condition) in enumerate(zip(self.blocks, conditions, strict=True), 1):
            h = block(h, condition)
            if index == self.attention_after_block:
                h = self.attention(h)
        h = self.to_image(F.relu(self.norm(h), inplace=True))
        return torch.tanh(at_least_float32(h))


class ResidualTrunk(Trunk):
    """Residual blocks, ReLU, sum over space: the discriminator trunk of ResGAN and BigGAN."""

    def __init__(
        self, config: ResidualTrunkSettings, resolution: Resolution, image_channels: int
    ) -> None:
        of = layout(resolution)
        outs = [config.channels * multiple for multiple in of.trunk_out]
        super().__init__(feature_dim=outs[-1])
        layers = Layers(config.spectral_norm)
        ins = [image_channels, *outs[:-1]]
        self.blocks = nn.ModuleList(
            TrunkBlock(
                i,
                o,
                layers=layers,
                first=index == 0,
                downsample=of.downsample[index],
                relu_before_shortcut=config.relu_before_shortcut,
                normalization=config.normalization,
                eps=config.batch_norm_eps,
                momentum=config.batch_norm_momentum,
            )
            for index, (i, o) in enumerate(zip(ins, outs, strict=True))
        )
        self.attention_after_block = config.attention_after_block
        if config.attention_after_block is not None:
            self.attention = SelfAttention(outs[config.attention_after_block - 1], layers=layers)

    def forward(self, images: Tensor) -> Tensor:
        h = images
        for index, block in enumerate(self.blocks, 1):
            h = block(h)
            if index == self.attention_after_block:
                h = self.attention(h)
        return at_least_float32(F.relu(h, inplace=True)).sum((2, 3))
