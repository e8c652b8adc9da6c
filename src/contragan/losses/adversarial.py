"""Adversarial losses: what the authenticity logit is trained with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from contragan.core.config import Config
from contragan.core.registry import union

Logit = Float[Tensor, " B"]
Scalar = Float[Tensor, ""]


class AdversarialSettings(Config, ABC):
    """A loss of authenticity logits (B,), one for each network; in float32 or wider.

    ``boundary`` is the logit above which the discriminator takes an image for real; None where the
    loss fixes none. ``margin`` is the distance from it beyond which an image on its own side has no
    gradient; None where every image has one.
    """

    boundary: ClassVar[float | None] = None
    margin: ClassVar[float | None] = None
    kind: str

    @abstractmethod
    def discriminator(self, real_logit: Logit, fake_logit: Logit) -> Scalar:
        """What D minimises."""

    @abstractmethod
    def generator(self, fake_logit: Logit) -> Scalar:
        """What G minimises."""


class Vanilla(AdversarialSettings):
    """Cross-entropy, with the non-saturating generator loss -log D(G(z)).

    Source: Goodfellow et al. 2014.
    """

    boundary: ClassVar[float | None] = 0.0
    kind: Literal["vanilla"] = "vanilla"

    def discriminator(self, real_logit: Logit, fake_logit: Logit) -> Scalar:
        return F.softplus(-real_logit.float()).mean() + F.softplus(fake_logit.float()).mean()

    def generator(self, fake_logit: Logit) -> Scalar:
        return F.softplus(-fake_logit.float()).mean()


class LeastSquares(AdversarialSettings):
    """Squared distance to 1 for real and 0 for generated images.

    Source: Mao et al. 2017, Eq. 9 (a = 0, b = c = 1).
    """

    boundary: ClassVar[float | None] = 0.5
    kind: Literal["least_squares"] = "least_squares"

    def discriminator(self, real_logit: Logit, fake_logit: Logit) -> Scalar:
        real, fake = real_logit.float(), fake_logit.float()
        return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()

    def generator(self, fake_logit: Logit) -> Scalar:
        return 0.5 * (fake_logit.float() - 1).square().mean()


class Hinge(AdversarialSettings):
    """Margin losses for D, the plain mean logit for G: every experiment of the paper.

    Source: Lim and Ye 2017; Kang and Park 2020, Sec. 4.3.
    """

    boundary: ClassVar[float | None] = 0.0
    margin: ClassVar[float | None] = 1.0
    kind: Literal["hinge"] = "hinge"

    def discriminator(self, real_logit: Logit, fake_logit: Logit) -> Scalar:
        return F.relu(1 - real_logit.float()).mean() + F.relu(1 + fake_logit.float()).mean()

    def generator(self, fake_logit: Logit) -> Scalar:
        return -fake_logit.float().mean()


class Wasserstein(AdversarialSettings):
    """Difference of mean logits; the critic must be kept Lipschitz by other means.

    Source: Arjovsky et al. 2017; Algorithm 1 of Kang and Park 2020 is written in this form.
    """

    kind: Literal["wasserstein"] = "wasserstein"

    def discriminator(self, real_logit: Logit, fake_logit: Logit) -> Scalar:
        return fake_logit.float().mean() - real_logit.float().mean()

    def generator(self, fake_logit: Logit) -> Scalar:
        return -fake_logit.float().mean()


if TYPE_CHECKING:
    AdversarialLoss = AdversarialSettings
else:
    AdversarialLoss = union(
        "adversarial",
        Vanilla,
        LeastSquares,
        Hinge,
        Wasserstein,
        base=AdversarialSettings,
    )
