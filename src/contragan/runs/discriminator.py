"""A trained discriminator, from the checkpoint that a generator was loaded from."""

from __future__ import annotations

import torch

from contragan.models.discriminator import Discriminator
from contragan.recipes.gan import build
from contragan.runs.checkpoint import load_network, verify
from contragan.runs.model import Model


def load_discriminator(model: Model) -> Discriminator:
    """The discriminator beside a loaded generator, in evaluation mode and on its device.

    Example::

        model = contragan.load("runs/digits/contragan/0")
        output = load_discriminator(model)(images, labels)  # (B, C, H, W) in [-1, 1], (B,)
        output.embedding  # (B, E)

    Raises:
        UserError: the checkpoint's discriminator is missing, damaged or of another architecture.
    """
    verify(model.checkpoint, "discriminator")
    gan = build(model.run.recipe, len(model.class_names), model.run.seed)
    load_network(model.checkpoint, "discriminator", gan.discriminator)
    device = next(model.generator.parameters()).device
    network = gan.discriminator.to(device).to(memory_format=torch.channels_last)
    return network.eval().requires_grad_(False)
