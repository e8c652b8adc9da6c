"""What each network minimises, as named terms."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from contragan.core.transforms import copies
from contragan.core.types import Batch, DiscriminatorOutput, Terms
from contragan.losses.adversarial import AdversarialLoss
from contragan.losses.regularizers import Context, DiscriminatorContext, Players, Regularizer
from contragan.models.heads import Conditioning


@dataclass(frozen=True)
class Objective:
    """Adversarial loss, class loss and penalties: the loss is the sum, the keys the log names."""

    adversarial: AdversarialLoss
    conditioning: Conditioning
    regularizers: tuple[Regularizer, ...] = ()

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
            terms |= regularizer.discriminator_penalty(context)
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
        """What regularisers do to the discriminator's weights after each update of them."""
        for regularizer in self.regularizers:
            regularizer.after_update(discriminator)

    def _with_view(
        self, context: Context, batch: Batch, output: DiscriminatorOutput
    ) -> DiscriminatorOutput:
        views = copies(batch, context.random("view"), self.conditioning.view_transform)
        return replace(output, view=context.discriminator(views, batch.labels).embedding)
