"""Whether the networks of a run that has ended are still alive: a look at what they put out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contragan.core.types import ONE_LEVEL, from_uint8
from contragan.data import ImageDataset
from contragan.losses.adversarial import AdversarialLoss
from contragan.models import Generator
from contragan.models.batch_norm import evaluation_mode
from contragan.runs.sampling import ImageSampler

LOOKED_AT = 32
"""How many real images, and as many generated ones, are looked at."""

EQUAL = 1e-4
"""Logits are equal where they differ by at most this share of the largest; untrained
discriminators of this package's recipes differ by more than half of it."""

STUCK = 1e-2, 1e-3
"""A loss is stuck where logits differ by less than the first, and its last mean from its constant
by less than this share."""


@dataclass(frozen=True)
class Networks:
    """What is looked at: the generators by what they are called, and the discriminator."""

    generators: Mapping[str, Generator]
    discriminator: nn.Module


def signs_of_death(
    networks: Networks,
    data: ImageDataset,
    loss: AdversarialLoss,
    terms: Mapping[str, float],
    seed: int = 0,
) -> list[str]:
    """What shows that a network is dead, a clause for each sign; empty where both are alive.

    ``terms`` are the last logged loss terms. Generators are dead where they draw one image for all
    latents and labels. The discriminator is dead where it gives all images one logit, or where its
    loss has the value that it has when it cannot tell real from generated images.
    """
    count = min(LOOKED_AT, len(data))
    rows = torch.linspace(0, len(data) - 1, count).long().numpy()
    labels = torch.from_numpy(data.labels[rows])
    real = from_uint8(torch.from_numpy(data.images[rows].transpose(0, 3, 1, 2)))
    signs: list[str] = []
    drawn: list[Tensor] = []
    # Another batch size would have a compiled network compiled anew.
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        for name, generator in networks.generators.items():
            with evaluation_mode(generator, "running"):
                drawn.append(ImageSampler(generator, seed).floats(labels))
            if not drawn[-1].isfinite().all():
                signs.append(f"{name} draws pixels that are not finite")
            elif float((drawn[-1] - drawn[-1][0]).abs().max()) < ONE_LEVEL:
                signs.append(f"{name} draws the same image for all latents and classes")
        device = drawn[0].device
        both = torch.cat([real.to(device), drawn[0].nan_to_num()])
        with evaluation_mode(networks.discriminator, "running"):
            output = networks.discriminator(both, labels.repeat(2).to(device))
    logits = output.logit.float()
    spread, largest = float(logits.max() - logits.min()), float(logits.abs().max())
    if not logits.isfinite().all():
        signs.append("the discriminator's logits are not finite")
    elif spread <= EQUAL * largest:
        signs.append(f"the discriminator gives every image the same logit ({logits[0]:.3g})")
    elif spread < STUCK[0] and is_stuck(loss, terms):
        signs.append(
            f"the discriminator's adversarial loss stays at {terms['d/adversarial']:.3f}, its "
            "value where real and generated images look alike to it"
        )
    return signs


def is_stuck(loss: AdversarialLoss, terms: Mapping[str, float]) -> bool:
    """Whether D's last adversarial term is what the loss is at best with equal logits."""
    value = terms.get("d/adversarial")
    equal = torch.linspace(-1, 1, 41)
    constant = min(float(loss.discriminator(logit[None], logit[None])) for logit in equal)
    return value is not None and abs(value - constant) <= STUCK[1] * abs(constant)
