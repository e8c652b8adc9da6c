"""What each network minimises, as named terms."""

from __future__ import annotations

from dataclasses import dataclass

from contragan.adversarial import AdversarialLoss
from contragan.conditioning import Conditioning
from contragan.types import DiscriminatorOutput, Terms


@dataclass(frozen=True)
class Objective:
    """Adversarial loss and class loss: the loss is the sum, the keys are the log names."""

    adversarial: AdversarialLoss
    conditioning: Conditioning

    def discriminator_terms(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Terms:
        return {
            "adversarial": self.adversarial.discriminator(real.logit, fake.logit),
            **self.conditioning.discriminator_loss(real, fake),
        }

    def generator_terms(self, fake: DiscriminatorOutput) -> Terms:
        return {
            "adversarial": self.adversarial.generator(fake.logit),
            **self.conditioning.generator_loss(fake),
        }
