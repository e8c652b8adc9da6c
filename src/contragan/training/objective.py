"""What each network minimises, as named terms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from contragan.core.transforms import copies
from contragan.core.types import Batch, DiscriminatorOutput, Terms
from contragan.losses.adversarial import AdversarialLoss
from contragan.losses.regularizers import (
    Context,
    DiscriminatorContext,
    Memory,
    Players,
    Regularizer,
)
from contragan.models.heads import Conditioning


@dataclass(frozen=True)
class Objective:
    """Adversarial loss, class loss and penalties: the loss is the sum, the keys the log names.

    ``memories`` hold what each regulariser keeps from update to update, by its ``kind``.
    """

    adversarial: AdversarialLoss
    conditioning: Conditioning
    regularizers: tuple[Regularizer, ...] = ()
    memories: dict[str, Memory] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "memories", {one.kind: one.memory() for one in self.regularizers})

    def move_to(self, device: torch.device) -> None:
        """Move what regularisers keep there."""
        for memory in self.memories.values():
            memory.update({name: tensor.to(device) for name, tensor in memory.items()})

    def begin(self, iteration: int) -> None:
        """Called before each iteration, counted from 0, for what changes as training goes on."""
        self.conditioning.begin(iteration)
        for regularizer in self.regularizers:
            regularizer.begin(self.memories[regularizer.kind], iteration)

    def state_dict(self) -> dict[str, Memory]:
        """What regularisers keep, for a checkpoint."""
        return {kind: memory for kind, memory in self.memories.items() if memory}

    def load_state_dict(self, state: dict[str, Memory]) -> None:
        """Take up where :meth:`state_dict` was made."""
        for kind, memory in state.items():
            for name, tensor in memory.items():
                self.memories[kind][name].copy_(tensor)

    def optimize_latents(
        self, players: Players, latent: Tensor, label: Tensor
    ) -> tuple[Tensor, Terms]:
        """The latents to generate from; they carry a gradient where a regulariser moved them."""
        terms: Terms = {}
        for regularizer in self.regularizers:
            latent, cost = regularizer.optimize_latents(players, latent, label)
            terms |= cost
        return latent, terms

    def discriminator_terms(self, context: DiscriminatorContext) -> Terms:
        real, fake = context.real_output, context.fake_output
        terms = {"adversarial": self.adversarial.discriminator(real.logit, fake.logit)}
        if self.conditioning.needs_view:
            real = self._with_view(context, context.real, real)
        terms |= self.conditioning.discriminator_loss(real, fake)
        for regularizer in self.regularizers:
            own = replace(context, memory=self.memories[regularizer.kind])
            terms |= regularizer.discriminator_penalty(own)
        return terms

    def generator_terms(self, context: Context) -> Terms:
        fake = context.fake_output
        terms = {"adversarial": self.adversarial.generator(fake.logit)}
        if self.conditioning.needs_generated_view:
            fake = self._with_view(context, context.fake, fake)
        terms |= self.conditioning.generator_loss(fake)
        for regularizer in self.regularizers:
            terms |= regularizer.generator_penalty(context)
        return terms

    def after_update(self, discriminator: nn.Module) -> None:
        """What regularisers do after each update of the discriminator's weights."""
        for regularizer in self.regularizers:
            regularizer.after_update(discriminator)
            regularizer.remember(self.memories[regularizer.kind])

    def _with_view(
        self, context: Context, batch: Batch, output: DiscriminatorOutput
    ) -> DiscriminatorOutput:
        views = copies(batch, context.random("view"), self.conditioning.view_transform)
        return replace(output, view=context.discriminator(views, batch.labels).embedding)
