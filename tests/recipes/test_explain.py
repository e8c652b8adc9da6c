"""Every setting that a recipe may have is explained."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from pydantic import BaseModel

from contragan.recipes.catalog import recipe_names
from contragan.recipes.explain import description, explained
from contragan.recipes.schema import Recipe, _models_in, load_recipe, parse_recipe


def reachable(settings: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield settings
    for field in settings.model_fields.values():
        for model in _models_in(field.annotation):
            yield from reachable(model)


@pytest.mark.parametrize("settings", dict.fromkeys(reachable(Recipe)))
def test_every_setting_has_a_description(settings: type[BaseModel]) -> None:
    lacking = [key for key in settings.model_fields if not description(settings, key).endswith(".")]
    assert not lacking


@pytest.mark.parametrize("name", recipe_names())
def test_an_explained_recipe_reads_back(name: str) -> None:
    recipe = load_recipe(name)
    text = explained(recipe)
    assert parse_recipe(text, name) == recipe
    lines = text.splitlines()
    for before, line in pairwise(lines):
        is_comment = line.lstrip().startswith("#")
        assert is_comment or not line.strip(" -") or before.lstrip().startswith("#"), line
        assert not is_comment or len(line) <= 80
