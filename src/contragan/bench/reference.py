"""A plain training step: what ours is measured against.

It is in the package and not with the other benchmarks because ``contragan bench`` runs it
wherever the package is installed, and tests hold ours against it.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import nn

from contragan.core.types import Batch, Terms
from contragan.models.layers.factory import set_plain
from contragan.recipes.gan import GAN
from contragan.recipes.schema import AdamConfig, TrainingConfig
from contragan.training.step import Step, frozen


class ReferenceStep(Step):
    """The two updates as they are usually written, with the losses and the draws of :class:`Step`.

    float32 in NCHW, every module in its usual form (:func:`set_plain`), real and generated images
    in separate passes, a power iteration of spectral norm at every forward pass, and a G step that
    computes D's weight gradients only to drop them. The D step does not compute gradients of G:
    usual steps do not either.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.one_pass = False
        for network in (self.gan.generator, self.gan.discriminator):
            network.to(memory_format=torch.contiguous_format)
            set_plain(network)

    def fetch(self, update: int) -> list[Batch]:
        """The real images of D update number ``update``, in NCHW."""
        return [replace(real, images=real.images.contiguous()) for real in super().fetch(update)]

    def discriminator_step(self, update: int, parts: list[Batch]) -> Terms:
        """Update the discriminator once; returns its detached terms."""
        totals: Terms = {}
        with frozen(self.gan.generator):
            for part, real in enumerate(parts):
                self._backward(self._discriminator_part(update, part, real), totals)
        self._update(self.discriminator_optimizer, self.gan.discriminator)
        self.objective.after_update(self.gan.discriminator)
        self.augmentation.adapt()
        return totals

    def generator_step(self, iteration: int) -> Terms:
        """Update the generator once; returns its detached terms."""
        totals: Terms = {}
        for part in range(self.accumulation_steps):
            self._backward(self._generator_part(iteration, part), totals)
        self._update(self.generator_optimizer, self.gan.generator)
        self.gan.discriminator.zero_grad(set_to_none=True)
        return totals


def reference_step(step: Step, gan: GAN, training: TrainingConfig) -> ReferenceStep:
    """The plain step that trains ``gan``, another copy of the networks, as ``step`` trains its own.

    Both draw the same latents, labels and images.
    """
    return ReferenceStep(
        **step.settings()
        | {
            "gan": gan,
            "augmentation": copy.deepcopy(step.augmentation),  # an adaptive one has a state
            "objective": replace(step.objective, conditioning=gan.head),
            "discriminator_optimizer": plain_adam(
                gan.discriminator, training.discriminator_optimizer
            ),
            "generator_optimizer": plain_adam(gan.generator, training.generator_optimizer),
        }
    )


def plain_adam(network: nn.Module, config: AdamConfig) -> torch.optim.Adam:
    """Adam, one parameter after the other."""
    return torch.optim.Adam(
        network.parameters(),
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=False,
        foreach=False,
    )
