"""From a study to the runs that it needs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from contragan.recipes.schema import Recipe


def run_name(recipe_name: str, recipe: Recipe, seed: int) -> str:
    """The folder of a cell's run among a study's runs: equal for equal recipes and seeds.

    It is made of the settings that differ from their defaults, so a setting that a later version
    adds with a default leaves it as it was; what a recipe says about itself does not count.

    >>> from contragan.recipes.schema import load_recipe
    >>> run_name("digits/biggan", load_recipe("digits/biggan"), 0).startswith("digits-biggan-")
    True
    """
    said = recipe.model_dump(
        mode="json", exclude={"description", "reference"}, exclude_defaults=True
    )
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]
    stem = Path(recipe_name).stem if recipe_name.endswith((".yaml", ".yml")) else recipe_name
    return f"{stem.replace('/', '-')}-{digest}-seed{seed}"
