"""Recipe to objects: the one place that wires."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from contragan.core.randomness import derived_seed
from contragan.models import Generator, build_generator, build_trunk
from contragan.models.discriminator import Discriminator
from contragan.models.heads import Conditioning
from contragan.models.layers.factory import Layers
from contragan.recipes.schema import Recipe


@dataclass(frozen=True)
class GAN:
    """The two networks of a recipe, and the discriminator's head, which has the class losses."""

    generator: Generator
    discriminator: Discriminator
    head: Conditioning

    def move_to(self, device: torch.device) -> None:
        """Move both networks there, in the memory format that their convolutions are fastest in."""
        for network in (self.generator, self.discriminator):
            network.to(device).to(memory_format=torch.channels_last)


def build_unseeded_generator(recipe: Recipe, num_classes: int) -> Generator:
    """A recipe's generator, initialised from torch's global random state."""
    return build_generator(
        recipe.generator,
        resolution=recipe.data.resolution,
        image_channels=recipe.data.channels,
        num_classes=num_classes,
    )


def build(recipe: Recipe, num_classes: int, seed: int) -> GAN:
    """Build and initialise both networks, the same for the same recipe, classes and seed.

    torch's own random state stays as it is.

    Example:
        >>> import contragan
        >>> recipe = contragan.load_recipe("digits/contragan", ["generator.channels=4"])
        >>> gan = contragan.build(recipe, num_classes=10, seed=0)
        >>> gan.generator
        BigGANGenerator(48 latents, 10 classes, 25,233 parameters)

    Args:
        recipe: from :func:`contragan.load_recipe`.
        num_classes: K, how many classes the labels tell apart.
        seed: of the initial weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "initial weights"))
        generator = build_unseeded_generator(recipe, num_classes)
        trunk = build_trunk(
            recipe.discriminator,
            resolution=recipe.data.resolution,
            image_channels=recipe.data.channels,
        )
        head = recipe.conditioning.build(
            trunk.feature_dim, num_classes, Layers(recipe.discriminator.spectral_norm)
        )
    return GAN(generator, Discriminator(trunk, head), head)
