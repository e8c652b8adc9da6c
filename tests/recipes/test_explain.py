"""Every setting that a recipe may have is explained."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from contragan.recipes.catalog import recipe_names
from contragan.recipes.explain import description, explained
from contragan.recipes.schema import Recipe, load_recipe, parse_recipe


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The classes of settings that a type names, and those of their settings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_in(field.annotation)
    for argument in get_args(annotation):
        yield from models_in(argument)


@pytest.mark.parametrize("settings", dict.fromkeys(models_in(Recipe)))
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
