"""What generators and trunks have in common, and the shared checks of their settings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from contragan.core.config import Config
from contragan.core.resolution import Rectangle, Resolution, from_sides, height_width
from contragan.models.layers.factory import Layers
from contragan.models.layers.normalization import TrunkNormalization


class GeneratorSettings(Config, ABC):
    """Settings that every generator has, and how to build it; a subclass adds its own."""

    rectangles: ClassVar[bool] = False
    """Whether it can make images whose sides differ: ``resolution`` is then a ``Rectangle``."""

    kind: str
    latent_dim: PositiveInt
    """Number of latent coordinates (z)."""
    conditional: bool
    """Whether the generator sees labels."""

    @abstractmethod
    def check(self, resolution: Resolution) -> None:
        """Raises ValueError, with the reason and the fix, where this cannot be built."""

    @abstractmethod
    def build(self, resolution: Resolution, image_channels: int, num_classes: int) -> Generator:
        """A new generator of images (B, image_channels, H, W)."""


class ConvolutionalGeneratorSettings(GeneratorSettings):
    """Settings of DCGAN, ResGAN and BigGAN."""

    rectangles: ClassVar[bool] = True

    channels: PositiveInt
    """Width: every layer's channels are a multiple of this."""
    spectral_norm: bool
    """Whether weights are divided by their largest singular value."""
    attention_after_block: PositiveInt | None
    """Block, from 1, after which self-attention stands; null for none."""
    batch_norm_eps: PositiveFloat
    """Added to the variance in batch norms."""
    batch_norm_momentum: PositiveFloat
    """Share of a new batch in the running statistics of plain batch norms."""
    conditional_batch_norm_momentum: PositiveFloat
    """The same for batch norms that labels (in BigGAN the latent too) drive."""
    conditional_batch_norm_spectral_norm: bool = True
    """Whether spectral norm covers the gains and biases of those as well."""

    @property
    def conditional_batch_norm_layers(self) -> Layers:
        """What makes the layers of gains and biases."""
        return Layers(self.spectral_norm and self.conditional_batch_norm_spectral_norm)


class TrunkSettings(Config, ABC):
    """Settings that every discriminator trunk has, and how to build it; a subclass adds its own."""

    rectangles: ClassVar[bool] = False
    """Whether it takes images whose sides differ: ``resolution`` is then a ``Rectangle``."""

    kind: str
    spectral_norm: bool
    """Whether weights, the head's included, are divided by their largest singular value."""

    @property
    def has_batch_norm(self) -> bool:
        """Whether an image's feature depends on the rest of its batch."""
        return False

    @abstractmethod
    def check(self, resolution: Resolution) -> None:
        """Raises ValueError, with the reason and the fix, where this cannot be built."""

    @abstractmethod
    def build(self, resolution: Resolution, image_channels: int) -> Trunk:
        """A new trunk on images (B, image_channels, H, W)."""


class ConvolutionalTrunkSettings(TrunkSettings):
    """Settings of the trunks of DCGAN, ResGAN and BigGAN.

    The width of every layer is a multiple of ``channels``. ``normalization: batch`` uses
    ``batch_norm_*``; ``layer`` uses ``batch_norm_eps`` only.
    """

    rectangles: ClassVar[bool] = True

    channels: PositiveInt
    """Width: every layer's channels are a multiple of this."""
    attention_after_block: PositiveInt | None
    """Block, from 1, after which self-attention stands; null for none."""
    normalization: TrunkNormalization
    """Norm in the blocks: batch, layer (per image) or none."""
    batch_norm_eps: PositiveFloat = 1e-5
    """Added to the variance in batch and layer norms."""
    batch_norm_momentum: PositiveFloat = 0.1
    """Share of a new batch in the running statistics of batch norms."""

    @property
    def has_batch_norm(self) -> bool:
        return self.normalization == "batch"


class Generator(nn.Module):
    """Maps latents (B, Z) and labels (B,) to images (B, C, H, W) in [-1, 1].

    Labels are indices of classes, or weights of all classes (B, K): a mixture. An unconditional one
    (``conditional`` false) takes labels and ignores them. ``nn.Module.__repr__(generator)`` lists
    the layers.
    """

    def __init__(self, *, latent_dim: int, num_classes: int, conditional: bool) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        self.conditional = conditional

    def one_hot(self, label: Tensor, dtype: torch.dtype) -> Tensor:
        """Labels (B,) as (B, K); unlike ``F.one_hot`` it never reads values on the host.

        Weights of classes (B, K) stay what they are.
        """
        if label.is_floating_point():
            return label.to(dtype)
        classes = torch.arange(self.num_classes, device=label.device)
        return (label[:, None] == classes).to(dtype)

    def forward(
        self, z: Float[Tensor, "B Z"], label: Int[Tensor, " B"] | Float[Tensor, "B K"]
    ) -> Float[Tensor, "B C H W"]:
        raise NotImplementedError

    def __repr__(self) -> str:
        labels = f"{self.num_classes} classes" if self.conditional else "labels ignored"
        return f"{type(self).__name__}({self.latent_dim} latents, {labels}, {size_of(self)})"


class Trunk(nn.Module):
    """Maps images (B, C, H, W) to features (B, D), summed over space."""

    def __init__(self, *, feature_dim: int) -> None:
        super().__init__()
        self.feature_dim = feature_dim

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.feature_dim} features, {size_of(self)})"


def size_of(network: nn.Module) -> str:
    """How many parameters a network has, in words."""
    return f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters"


def at_least_float32(x: Tensor) -> Tensor:
    """Half-precision tensors as float32, wider ones as they are."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def check_attention(network: str, after_block: int | None, widths: Sequence[int]) -> None:
    """Raises ValueError where attention cannot follow block ``after_block`` of ``widths``."""
    if after_block is None:
        return
    if after_block > len(widths):
        raise ValueError(
            f"attention_after_block is {after_block}, but the {network} has {len(widths)} blocks "
            f"at this resolution; choose 1 to {len(widths)}, or null for no attention"
        )
    width = widths[after_block - 1]
    if width % 8:
        raise ValueError(
            f"attention_after_block {after_block}: attention needs channels divisible by 8, but "
            f"block {after_block} of the {network} has {width}; change channels"
        )


LARGEST = 512
"""Longest side of the images that the built-in networks make, in pixels."""

STARTS = (4, 5, 6, 7)
"""Sides that a generator of squares may start from; of a rectangle, the shorter side."""


def doublings(resolution: Resolution) -> int:
    """How often a generator doubles its start: as often as for a square of the shorter side."""
    return max(min(height_width(resolution)).bit_length() - 3, 0)


def start(resolution: Resolution) -> tuple[int, int]:
    """Height and width of the map that a generator starts from.

    The shorter side is 4 to 7: 64 is 4 doubled four times, 96 is 6 doubled four times, 48x64 is
    8 x 6 (height, width) doubled three times. A resolution such as 100 has no such start:
    :func:`check_resolution` refuses it.
    """
    height, width = height_width(resolution)
    often = doublings(resolution)
    return height >> often, width >> often


def check_resolution(network: str, resolution: Resolution, often: Sequence[int]) -> None:
    """Raises ValueError unless ``resolution`` is a start doubled as often as one of ``often``.

    A rectangle's longer side is any multiple of the power of two that its shorter side is 4, 5, 6
    or 7 times of.
    """
    sizes = sorted(side << times for times in often for side in STARTS)
    sizes = [size for size in sizes if size <= LARGEST]
    if not isinstance(resolution, Rectangle):
        if resolution in sizes:
            return
        below, above = ([s for s in sizes if s < resolution], [s for s in sizes if s > resolution])
        nearest: list[Resolution] = [*below[-1:], *above[:1]]
        rule = f"4, 5, 6 or 7 times a power of two, from {sizes[0]} to {sizes[-1]}"
    else:
        nearest = _nearest(resolution, sizes)
        if resolution in nearest:
            return
        rule = (
            "the shorter side is 4, 5, 6 or 7 times a power of two, from "
            f"{sizes[0]} to {sizes[-1]}, the longer one a multiple of that power, to {LARGEST}"
        )
    raise ValueError(
        f"the {network} has no layout for resolution {resolution}; use "
        f"{' or '.join(str(size) for size in nearest)} ({rule})"
    )


def _nearest(wanted: Rectangle, shorter_sides: Sequence[int]) -> list[Resolution]:
    """The two sizes that can be had whose sides differ by the fewest pixels, nearest first."""
    portrait = wanted.height > wanted.width
    short, long = sorted((wanted.width, wanted.height))
    found = [
        (abs(short - side) + abs(long - other), abs(other / side - long / short), side, other)
        for side in shorter_sides
        for other in range(side, LARGEST + 1, 1 << doublings(side))
    ]
    return [
        from_sides(side, other) if portrait else from_sides(other, side)
        for _, _, side, other in sorted(found)[:2]
    ]
