"""One update of each network written out: no shared passes, no hooks, no tricks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from reference.contrastive import contrastive_loss
from torch import Tensor, nn

from contragan.core.types import DiscriminatorOutput

Change = Callable[[Tensor], Tensor]


def class_loss(
    output: DiscriminatorOutput, proxies: Tensor, label: Tensor, temperature: float
) -> Tensor:
    """Eq. 7: the own proxy above, all other samples below."""
    assert output.embedding is not None
    return contrastive_loss(
        output.embedding, proxies[label], label.tolist(), temperature, False, True
    )


def discriminator_loss(
    discriminator: nn.Module,
    real: tuple[Tensor, Tensor],
    fake: tuple[Tensor, Tensor],
    *,
    proxies: Tensor,
    temperature: float,
    consistency: tuple[float, Tensor],
) -> Tensor:
    """Hinge on both, class loss and consistency on real images only.

    ``real`` and ``fake`` are images as D sees them, with labels; ``consistency`` is its weight,
    and the transformed copies of the real images.
    """
    weight, copies = consistency
    on_real, on_fake = discriminator(*real), discriminator(fake[0].detach(), fake[1])
    on_copies = discriminator(copies, real[1])
    hinge = (1 - on_real.logit).clamp(min=0).mean() + (1 + on_fake.logit).clamp(min=0).mean()
    change = ((on_real.logit - on_copies.logit) ** 2).mean()
    change = change + ((on_real.embedding - on_copies.embedding) ** 2).mean()
    value: Tensor = hinge + class_loss(on_real, proxies, real[1], temperature) + weight * change
    return value


def generator_loss(
    discriminator: nn.Module,
    fake: tuple[Tensor, Tensor],
    *,
    proxies: Tensor,
    temperature: float,
) -> Tensor:
    """The mean logit, and the class loss on generated images."""
    on_fake = discriminator(*fake)
    value: Tensor = -on_fake.logit.mean() + class_loss(on_fake, proxies, fake[1], temperature)
    return value


@torch.no_grad()
def descend(network: nn.Module, loss: Tensor, rate: float) -> dict[str, Tensor]:
    """The network's weights after one step of gradient descent."""
    names, weights = zip(*network.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, weights)
    return {n: w - rate * g for n, w, g in zip(names, weights, gradients, strict=True)}
