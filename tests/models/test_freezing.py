"""Freeze-D: the blocks nearest to the image keep their weights, everything else learns."""

import pytest
import torch

from contragan.core.errors import UserError
from contragan.models.layers.factory import SharedWeights
from contragan.recipes.gan import build
from contragan.recipes.schema import load_recipe

NETWORKS = {
    "digits/biggan": "discriminator.attention_after_block=1",
    "digits/dcgan": "discriminator.attention_after_block=2",
    "digits/sngan": "discriminator.attention_after_block=null",
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shared", [True, False])
def test_everything_but_the_lowest_blocks_gets_a_gradient(name: str, shared: bool) -> None:
    recipe = load_recipe(name, ["discriminator.channels=8", NETWORKS[name]])
    discriminator = build(recipe, 3, seed=0).discriminator
    discriminator.freeze_lowest(1)
    with SharedWeights(discriminator)() if shared else torch.enable_grad():
        output = discriminator(torch.randn(4, 1, 16, 16), torch.arange(4) % 3)
        output.logit.sum().backward()
    without = {name for name, weight in discriminator.named_parameters() if weight.grad is None}
    lowest = ["trunk.blocks.0."]
    lowest += ["trunk.attention."] if "=1" in NETWORKS[name] else []
    expected = {
        name for name, _ in discriminator.named_parameters() if name.startswith(tuple(lowest))
    }
    assert without == expected != set()


def test_more_blocks_than_there_are() -> None:
    discriminator = build(load_recipe("digits/dcgan"), 3, seed=0).discriminator
    with pytest.raises(UserError, match="has 2 blocks: choose 0 to 2"):
        discriminator.freeze_lowest(3)
