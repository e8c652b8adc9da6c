"""The settings that docs/data.md gives with a size make a whole recipe of that size."""

import re
from pathlib import Path

import pytest

from contragan.core.resolution import Rectangle
from contragan.models.base import start
from contragan.recipes.schema import load_recipe

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
LINES = re.findall(r"^    (--set data\.resolution=.*)$", PAGE.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("line", LINES)
def test_documented_settings_of_a_size(line: str) -> None:
    """Attention stands where images are 64 pixels, or as near as there is, in both networks."""
    recipe = load_recipe("folder/contragan-eq7-128", line.split("--set ")[1:])
    size = recipe.data.resolution
    assert f"={size} " in f"{line} "
    generator, trunk = recipe.generator, recipe.discriminator
    side = max(recipe.data.image_shape[1:])
    found = (
        max(start(size)) << generator.attention_after_block,  # type: ignore[attr-defined]
        side >> trunk.attention_after_block,  # type: ignore[attr-defined]
    )
    expected = {
        96: (48, 48),
        192: (96, 96),
        256: (64, 64),
        512: (64, 64),
        Rectangle(48, 64): (32, 32),
        Rectangle(96, 128): (64, 64),
    }
    assert found == expected[size]


def test_the_page_shows_settings() -> None:
    assert len(LINES) == 6
