"""Images from a trained generator: reproducible one by one, however they are batched."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from contragan.core.errors import UserError
from contragan.core.memory import fits_in_memory
from contragan.core.randomness import random_generator
from contragan.core.types import to_uint8
from contragan.models import Generator

_BLOCK = 256
"""Latents are drawn in blocks of this many, each from its own seed."""


class ImageSampler:
    """Draws uint8 images for labels, image after image.

    The n-th image depends on the seed, n and its label only, not on how many are drawn at a time.
    ``truncation`` T redraws every latent coordinate beyond T (Brock et al. 2019, Sec. 3.1).
    """

    def __init__(
        self,
        generator: Generator,
        seed: int,
        *,
        truncation: float | None = None,
        purpose: str = "sample",
    ) -> None:
        if truncation is not None and not 0 < truncation < float("inf"):
            raise UserError(f"truncation must be positive, not {truncation}")
        self.generator = generator
        self.seed = seed
        self.truncation = truncation
        self.purpose = purpose
        self.position = 0
        self._block = (-1, torch.empty(0))

    def latents(self, count: int) -> Float[Tensor, "B Z"]:
        """The next ``count`` latents, on the CPU."""
        pieces = []
        while count:
            index, offset = divmod(self.position, _BLOCK)
            piece = self._latent_block(index)[offset : offset + count]
            pieces.append(piece)
            self.position += len(piece)
            count -= len(piece)
        return torch.cat(pieces)

    def _latent_block(self, index: int) -> Tensor:
        if self._block[0] != index:
            random = random_generator(torch.device("cpu"), self.seed, index, self.purpose)
            latent = torch.randn(_BLOCK, self.generator.latent_dim, generator=random)
            if self.truncation is not None:
                nn.init.trunc_normal_(
                    latent, a=-self.truncation, b=self.truncation, generator=random
                )
            self._block = (index, latent)
        return self._block[1]

    def at(self, labels: Int[Tensor, " B"], indices: Int[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
        """The images with these consecutive ``indices`` (B,), whatever was drawn before."""
        self.position = int(indices[0])
        return self.floats(labels)

    @torch.no_grad()
    def floats(self, labels: Int[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
        """The next images in [-1, 1], one for each label (B,), on the generator's device."""
        device = next(self.generator.parameters()).device
        images: Tensor = self.generator(self.latents(len(labels)).to(device), labels.to(device))
        return images

    def __call__(self, labels: Int[Tensor, " B"]) -> UInt8[Tensor, "B C H W"]:
        """The next images as uint8."""
        return to_uint8(self.floats(labels))


def standing_batches(
    generator: Generator, class_counts: Sequence[int] | NDArray[np.int64], size: int, seed: int
) -> Callable[[], object]:
    """A function that sends one batch of fresh samples through a generator, labels as in the data.

    For :func:`evaluation_mode`'s standing statistics: each call makes the next batch.
    """
    sampler = ImageSampler(generator, seed, purpose="standing statistics")
    weights = torch.as_tensor(class_counts).double()
    random = random_generator(torch.device("cpu"), seed, "standing statistics labels")

    def draw() -> object:
        return sampler.floats(torch.multinomial(weights, size, replacement=True, generator=random))

    return draw


def require_memory(count: int, bytes_each: int, what: str) -> None:
    """Raises UserError where something of ``count`` images cannot be held in memory."""
    if not fits_in_memory(count * bytes_each, 0.8):
        raise UserError(
            f"{count} images are too many: their {what} do not fit in memory. Ask for fewer"
        )
