"""The interface of a regulariser, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from contragan.core.config import Config
from contragan.core.types import Batch, DiscriminatorOutput, Terms

Memory = dict[str, Tensor]
"""What a regulariser keeps from update to update, by name; changed in place."""


@dataclass(frozen=True)
class Players:
    """Both networks, and the randomness of this part of this update.

    ``generator`` maps (latents, labels) to images and ``discriminator`` (images, labels) to a
    ``DiscriminatorOutput``. ``augment(images, purpose)`` gives generated images as the
    discriminator sees them; ``random(purpose)`` is a fresh generator of random numbers.
    """

    generator: nn.Module
    discriminator: nn.Module
    augment: Callable[[Tensor, str], Tensor]
    random: Callable[[str], torch.Generator]


@dataclass(frozen=True)
class Context(Players):
    """A part of an update as its penalties see it: the generator's step.

    ``fake`` are the generated images after augmentation, from ``latent`` (B, Z), and
    ``fake_output`` is the discriminator's output for them.
    """

    latent: Tensor
    generated: Tensor
    fake: Batch
    fake_output: DiscriminatorOutput


@dataclass(frozen=True)
class DiscriminatorContext(Context):
    """Adds the real images, after augmentation, and the discriminator's output for them.

    ``memory`` is the regulariser's own, see :meth:`Regularizer.memory`.
    """

    real: Batch
    real_output: DiscriminatorOutput
    memory: Memory = field(default_factory=dict)


class Regularizer(Config):
    """Extra loss terms, a change to latents before they are used, or a change to D's weights.

    A subclass overrides what it needs; its terms carry its own names.
    """

    kind: str

    needs_independent_samples: ClassVar[bool] = False
    """Whether it takes D's gradient per image, which batch norm in D would mix over the batch."""

    def optimize_latents(
        self, players: Players, latent: Tensor, label: Tensor
    ) -> tuple[Tensor, Terms]:
        """The latents to generate from in place of ``latent`` (B, Z), and the terms they cost G."""
        return latent, {}

    def discriminator_penalty(self, context: DiscriminatorContext) -> Terms:
        """Terms of the D step."""
        return {}

    def generator_penalty(self, context: Context) -> Terms:
        """Terms of the G step."""
        return {}

    def after_update(self, discriminator: nn.Module) -> None:
        """Change the discriminator's weights after an update of them."""

    def memory(self) -> Memory:
        """Tensors to keep from update to update, as they are at first.

        They move to the training's device, are saved with it, and come back as ``context.memory``.
        Change them in place and never read their values: a step may be recorded and replayed.
        """
        return {}

    def begin(self, memory: Memory, iteration: int) -> None:
        """Called before each iteration, counted from 0, for what changes as training goes on."""

    def remember(self, memory: Memory) -> None:
        """Called once after each update of D, for what is learnt from the whole update.

        What comes from this process's samples must be made the same on all of them here.
        """


@contextmanager
def twice_differentiable(like: Tensor) -> Iterator[None]:
    """Float32 arithmetic and attention kernels whose gradient has a gradient."""
    with torch.autocast(like.device.type, enabled=False), sdpa_kernel(SDPBackend.MATH):
        yield


def wide(tensor: Tensor) -> Tensor:
    """In float32 or wider."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def input_gradient(
    discriminator: nn.Module, images: Float[Tensor, "B C H W"], label: Tensor
) -> Float[Tensor, "B N"]:
    """Gradient of each logit with respect to its image, flattened; itself differentiable."""
    with twice_differentiable(images), torch.enable_grad():
        points = wide(images.detach()).requires_grad_()
        logit = discriminator(points, label).logit
        (gradient,) = torch.autograd.grad(logit.sum(), points, create_graph=True)
    return gradient.flatten(1)
