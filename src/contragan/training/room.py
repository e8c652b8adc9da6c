"""Say in one line that a recipe is too large, if possible before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from contragan.core.errors import UserError
from contragan.core.memory import free_memory
from contragan.core.words import readable
from contragan.recipes.gan import build
from contragan.recipes.schema import Recipe

COPIES = 4
"""Of each weight while training: itself, its gradient and Adam's two moments."""

SMALLER = (
    "lower generator.channels and discriminator.channels, or the recipe's other widths "
    "(latent_dim, shared_dim, embedding_dim)"
)


def check_room(recipe: Recipe, num_classes: int, device: torch.device) -> None:
    """Build the networks without storage, and compare their weights with the free memory.

    Raises:
        UserError: they cannot be trained here; names the settings to change.
    """
    try:
        with torch.device("meta"):
            gan = build(recipe, num_classes, seed=0)
    except (RuntimeError, TypeError) as error:  # sizes beyond 64 bits
        if "overflow" not in str(error).lower():
            raise
        raise UserError(f"these networks are larger than any memory: {SMALLER}") from error
    generator, discriminator = weight_bytes(gan.generator), weight_bytes(gan.discriminator)
    need = COPIES * (generator + discriminator) + generator * (recipe.training.ema is not None)
    free = free_memory(device)
    if need > free:
        raise UserError(
            f"training these networks takes at least {readable(need)} of memory "
            f"(weights: generator {readable(generator)}, discriminator "
            f"{readable(discriminator)}), but {readable(free)} are free: {SMALLER}"
        )


def weight_bytes(network: nn.Module) -> int:
    """Bytes of a network's parameters."""
    return sum(p.numel() * p.element_size() for p in network.parameters())


@contextmanager
def memory_explained() -> Iterator[None]:
    """Turn running out of memory into a UserError that names the settings to change."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not out_of_memory and "can't allocate memory" not in str(error):
            raise
        raise UserError(
            "out of memory: raise training.accumulation_steps, lower training.batch_size or "
            "evaluation.batch_size, or " + SMALLER
        ) from error
