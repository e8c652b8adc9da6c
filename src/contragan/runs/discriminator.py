"""A trained discriminator, from the checkpoint that a generator was loaded from."""

from __future__ import annotations

from pathlib import Path

import torch

from contragan.models.discriminator import Discriminator
from contragan.recipes.gan import build
from contragan.recipes.schema import Recipe
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
    device = next(model.generator.parameters()).device
    return discriminator_at(model.checkpoint, model.run.recipe, len(model.class_names), device)


def discriminator_at(
    checkpoint: Path, recipe: Recipe, num_classes: int, device: torch.device
) -> Discriminator:
    """The discriminator of a checkpoint whose files have been checked.

    Raises:
        UserError: it is missing, damaged or of another architecture.
    """
    network = build(recipe, num_classes, seed=0).discriminator
    load_network(checkpoint, "discriminator", network)
    network = network.to(device).to(memory_format=torch.channels_last)
    return network.eval().requires_grad_(False)
