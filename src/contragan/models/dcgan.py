"""DCGAN: plain convolutional networks."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Literal

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
from contragan.models.layers.blocks import channels_last_like
from contragan.models.layers.factory import Layers
from contragan.models.layers.normalization import BatchNorm2d, ConditionalBatchNorm2d, trunk_norm

WIDTHS: dict[int, tuple[float, ...]] = {
    2: (4, 2, 1),
    3: (8, 4, 2, 1),
    4: (8, 4, 2, 1, 0.5),
    5: (8, 4, 2, 1, 0.5, 0.25),
}
"""Generator widths from the start upwards, in multiples of ``channels``, by how often the start is
doubled; the trunk mirrors them. There are none for 256 and 512: plain convolutions that halve their
width would have a few channels left there, and none were published."""


class DCGANGeneratorConfig(ConvolutionalGeneratorSettings):
    """Settings of :class:`DCGANGenerator`; ``channels: 64`` is the published width."""

    kind: Literal["dcgan"]

    def check(self, resolution: Resolution) -> None:
        widths = _check("generator", self.channels, resolution)
        check_attention("generator", self.attention_after_block, widths[1:])

    def build(
        self, resolution: Resolution, image_channels: int, num_classes: int
    ) -> DCGANGenerator:
        return DCGANGenerator(self, resolution, image_channels, num_classes)


class DCGANTrunkConfig(ConvolutionalTrunkSettings):
    """Settings of :class:`DCGANTrunk`; ``channels: 64`` is the published width."""

    kind: Literal["dcgan"]

    def check(self, resolution: Resolution) -> None:
        widths = _check("trunk", self.channels, resolution)
        check_attention("trunk", self.attention_after_block, widths[:0:-1])

    def build(self, resolution: Resolution, image_channels: int) -> DCGANTrunk:
        return DCGANTrunk(self, resolution, image_channels)


def _widths(channels: int, resolution: Resolution) -> list[int]:
    return [int(channels * multiple) for multiple in WIDTHS[doublings(resolution)]]


def _check(network: str, channels: int, resolution: Resolution) -> list[int]:
    """The widths from the start upwards. Raises ValueError where there are none."""
    check_resolution(network, resolution, tuple(WIDTHS))
    divisor = int(1 / min(1, WIDTHS[doublings(resolution)][-1]))
    if channels % divisor:
        raise ValueError(
            f"channels is {channels}, but DCGAN at resolution {resolution} halves it down "
            f"to a {divisor}th; use a multiple of {divisor}"
        )
    return _widths(channels, resolution)


class _Deconv(nn.Module):
    """Transposed conv4x4 of stride 2, (conditional) batch norm, ReLU."""

    def __init__(
        self,
        config: DCGANGeneratorConfig,
        in_channels: int,
        out_channels: int,
        num_classes: int,
        layers: Layers,
    ) -> None:
        super().__init__()
        self.deconv = layers.conv_transpose2d(in_channels, out_channels, 4, stride=2, padding=1)
        eps = config.batch_norm_eps
        self.norm: nn.Module
        if config.conditional:
            momentum = config.conditional_batch_norm_momentum
            self.norm = ConditionalBatchNorm2d(
                out_channels,
                num_classes,
                layers=config.conditional_batch_norm_layers,
                eps=eps,
                momentum=momentum,
            )
        else:
            self.norm = BatchNorm2d(out_channels, eps=eps, momentum=config.batch_norm_momentum)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        given = () if condition is None else (condition,)
        return F.relu(self.norm(self.deconv(x), *given), inplace=True)


class DCGANGenerator(Generator):
    """Linear layer to a small map, transposed convolutions of halving widths, conv3x3, tanh.

    The map's sides are those of :func:`~contragan.models.base.start`. One-hot labels drive the
    batch norms. Source: Radford et al. 2016, in the shape of the published ContraGAN experiments.
    """

    def __init__(
        self,
        config: DCGANGeneratorConfig,
        resolution: Resolution,
        image_channels: int,
        num_classes: int,
    ) -> None:
        super().__init__(
            latent_dim=config.latent_dim, num_classes=num_classes, conditional=config.conditional
        )
        layers = Layers(config.spectral_norm)
        widths = _widths(config.channels, resolution)
        self.start = start(resolution)
        self.linear = layers.linear(config.latent_dim, widths[0] * prod(self.start))
        self.blocks = nn.ModuleList(
            _Deconv(config, i, o, num_classes, layers) for i, o in pairwise(widths)
        )
        self.attention_after_block = config.attention_after_block
        if config.attention_after_block is not None:
            self.attention = SelfAttention(widths[config.attention_after_block], layers=layers)
        self.to_image = layers.conv2d(widths[-1], image_channels, 3, padding=1)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        condition = self.one_hot(label, z.dtype) if self.conditional else None
        h = self.linear(z).unflatten(1, (-1, *self.start))
        h = channels_last_like(h, self.to_image.weight)
        for index, block in enumerate(self.blocks, 1):
            h = block(h, condition)
            if index == self.attention_after_block:
                h = self.attention(h)
        return torch.tanh(at_least_float32(self.to_image(h)))


class _Down(nn.Module):
    """Conv3x3, norm, ReLU, conv4x4 of stride 2, norm, ReLU."""

    def __init__(
        self, config: DCGANTrunkConfig, in_channels: int, out_channels: int, layers: Layers
    ) -> None:
        super().__init__()
        self.conv1 = layers.conv2d(in_channels, out_channels, 3, padding=1)
        self.norm1 = _norm(config, out_channels)
        self.conv2 = layers.conv2d(out_channels, out_channels, 4, stride=2, padding=1)
        self.norm2 = _norm(config, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(h)), inplace=True)


def _norm(config: DCGANTrunkConfig, channels: int) -> nn.Module:
    return trunk_norm(
        config.normalization,
        channels,
        eps=config.batch_norm_eps,
        momentum=config.batch_norm_momentum,
    )


class DCGANTrunk(Trunk):
    """Blocks of conv3x3 and strided conv4x4 with doubling widths, conv3x3, sum over space."""

    def __init__(
        self, config: DCGANTrunkConfig, resolution: Resolution, image_channels: int
    ) -> None:
        widths = _widths(config.channels, resolution)[::-1]
        super().__init__(feature_dim=widths[-1])
        layers = Layers(config.spectral_norm)
        outs = widths[:-1]
        self.blocks = nn.ModuleList(
            _Down(config, i, o, layers)
            for i, o in zip([image_channels, *outs[:-1]], outs, strict=True)
        )
        self.attention_after_block = config.attention_after_block
        if config.attention_after_block is not None:
            self.attention = SelfAttention(outs[config.attention_after_block - 1], layers=layers)
        self.conv = layers.conv2d(outs[-1], widths[-1], 3, padding=1)
        self.norm = _norm(config, widths[-1])

    def forward(self, images: Tensor) -> Tensor:
        h = images
        for index, block in enumerate(self.blocks, 1):
            h = block(h)
            if index == self.attention_after_block:
                h = self.attention(h)
        h = F.relu(self.norm(self.conv(h)), inplace=True)
        return at_least_float32(h).sum((2, 3))
