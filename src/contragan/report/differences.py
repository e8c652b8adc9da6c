"""Recipes side by side: which settings differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contragan.core.errors import UserError
from contragan.recipes.catalog import recipe_names
from contragan.recipes.schema import load_recipe
from contragan.report.read import RunFacts
from contragan.report.together import alike, named

ABSENT = "\N{EN DASH}"
_ABOUT = {"description", "reference"}


@dataclass(frozen=True)
class Setting:
    """One setting's value in every column; ``marked`` says which ones stand out."""

    name: str
    values: tuple[str, ...]
    marked: tuple[bool, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class Comparison:
    """``columns`` and the settings in them."""

    columns: tuple[str, ...]
    settings: tuple[Setting, ...]

    @property
    def differing(self) -> tuple[Setting, ...]:
        return tuple(setting for setting in self.settings if setting.differs)


def compare(runs: Sequence[RunFacts]) -> Comparison:
    """The runs' settings; a single run stands beside the packaged recipe of its name.

    Runs with equal settings have a column together.
    """
    columns = [run.label for run in runs]
    recipes = [run.recipe for run in runs]
    if len(runs) == 1 and (packaged := _packaged(runs[0].recipe_name)) is not None:
        columns.append(f"packaged recipe {runs[0].recipe_name}")
        recipes.append(packaged)
    whole = comparison(columns, recipes)
    if len(runs) == 1:
        return whole
    values = [tuple(setting.values[i] for setting in whole.settings) for i in range(len(runs))]
    groups = alike(zip(columns, values, strict=True))
    first = [columns.index(labels[0]) for labels, _ in groups]
    settings = [
        Setting(one.name, tuple(one.values[i] for i in first), tuple(one.marked[i] for i in first))
        for one in whole.settings
    ]
    return Comparison(tuple(named(labels, len(runs)) for labels, _ in groups), tuple(settings))


def comparison(columns: Sequence[str], recipes: Sequence[dict[str, Any]]) -> Comparison:
    """Recipes as plain data, side by side.

    >>> both = comparison(["a", "b"], [{"training": {"seed": 1}}, {"training": {"seed": 2}}])
    >>> [(setting.name, setting.values) for setting in both.differing]
    [('training.seed', ('1', '2'))]
    """
    flat = [_flat({k: v for k, v in recipe.items() if k not in _ABOUT}) for recipe in recipes]
    names = dict.fromkeys(name for one in flat for name in one)
    settings = []
    for name in names:
        values = tuple(one.get(name, ABSENT) for one in flat)
        counted = Counter(values).most_common()
        usual = counted[0][0]
        tied = len(counted) > 1 and counted[0][1] == counted[1][1]
        marked = tuple(len(counted) > 1 and (tied or value != usual) for value in values)
        settings.append(Setting(name, values, marked))
    return Comparison(tuple(columns), tuple(settings))


def _packaged(name: str) -> dict[str, Any] | None:
    if name not in recipe_names():
        return None
    try:
        return load_recipe(name).model_dump(mode="json")
    except UserError:
        return None


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, item in value.items():
        if isinstance(item, dict) and item:
            found |= _flat(item, f"{prefix}{key}.")
        else:
            text = item if isinstance(item, str) else json.dumps(item, default=str)
            found[f"{prefix}{key}"] = text
    return found
