"""The recipes that come with the package, found and read without loading anything heavy."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml

from contragan.core.errors import UserError
from contragan.core.files import read_text

RENAMED = {
    "digits/contragan-eq8": "digits/contragan",
    **{
        f"digits/contragan-{variant}": f"digits/contragan-eq7-{variant}"
        for variant in ("ada", "aps", "cr", "diffaugment", "icr", "lo")
    },
    **{f"folder/contragan-{size}": f"folder/contragan-eq7-{size}" for size in (32, 64, 128)},
}
"""Former names of recipes, and today's: ``contragan`` is Eq. 8 now, ``contragan-eq7`` Eq. 7."""


ENDINGS = (".yaml", ".yml")
"""How the path of a user's own recipe or study ends; a packaged name has no ending."""


def short_name(name: str) -> str:
    """A recipe's name in folders and titles: of a file its stem, of a packaged one all of it.

    >>> short_name("digits/biggan"), short_name("recipes/mine.yaml")
    ('digits/biggan', 'mine')
    """
    return Path(name).stem if name.endswith(ENDINGS) else name


def name_beside_seed(name: str, seed: int) -> str:
    """A recipe's short name where its seed is said too: the recipes of a study end in theirs.

    >>> name_beside_seed("studies/mine/recipes/digits-biggan-4110746a-seed0.yaml", 0)
    'digits-biggan-4110746a'
    """
    return short_name(name).removesuffix(f"-seed{seed}")


def renamed(name: str) -> str | None:
    """One line on a recipe that has another name today; None where ``name`` is right."""
    if name not in RENAMED:
        return None
    return f"the recipe {name} is called {RENAMED[name]} now; its settings are the same"


def todays_name(name: str, description: str) -> str:
    """Today's name of the recipe that a run was made with.

    ``digits/contragan`` was Eq. 7 once: the recipe's ``description`` tells.
    """
    if name == "digits/contragan" and "Eq. 7" in description:
        return "digits/contragan-eq7"
    return RENAMED.get(name, name)


def recipe_names() -> list[str]:
    """Names of the packaged recipes, as ``data set/gan``."""
    return sorted(name for name, _ in _packaged())


def descriptions() -> dict[str, str]:
    """One line on each packaged recipe, by name."""
    return {
        name: _description(file.read_text(encoding="utf-8")) for name, file in sorted(_packaged())
    }


def find(family: str | None, words: str | None) -> dict[str, str]:
    """Those of :func:`descriptions` that are of one family and hold all words, in any case.

    Raises:
        UserError: there is no such family, or no such recipe.
    """
    lines = descriptions()
    families = sorted({name.partition("/")[0] for name in lines})
    if family is not None and (family := family.rstrip("/")) not in families:
        raise UserError(f"there is no family '{family}': choose from {', '.join(families)}")
    found = {
        name: line
        for name, line in lines.items()
        if family in (None, name.partition("/")[0])
        and all(word in f"{name} {line}".lower() for word in (words or "").lower().split())
    }
    if not found:
        raise UserError(
            f"no recipe's name or description has '{words}'; `contragan recipes` lists all"
        )
    return found


def _description(text: str) -> str:
    """The ``description`` of a recipe's text, parsing no more than that key."""
    match = re.search(r"^description:.*(?:\n[ \t]+.*)*", text, re.MULTILINE)
    return str(yaml.safe_load(match.group())["description"]) if match else ""


def _packaged() -> Iterator[tuple[str, Traversable]]:
    for folder in resources.files("contragan").joinpath("recipes").iterdir():
        if folder.is_dir():
            for file in folder.iterdir():
                if file.name.endswith(".yaml"):
                    yield f"{folder.name}/{file.name.removesuffix('.yaml')}", file


def recipe_text(name: str) -> str:
    """Text of a recipe: a packaged one by today's or its former name, or a YAML file by path.

    Raises:
        UserError: no such recipe (names the nearest), or a file that cannot be read.
    """
    today = RENAMED.get(name, name)
    for packaged, file in _packaged():
        if packaged == today:
            return file.read_text(encoding="utf-8")
    path = Path(os.path.expanduser(name))
    if path.suffix in {".yaml", ".yml"}:
        return read_text(path)
    raise UserError(
        f"unknown recipe '{name}'{nearest(name, recipe_names())} "
        "`contragan recipes` lists all; a path ending in .yaml reads your own file"
    )


def nearest(name: str, valid: list[str]) -> str:
    """The end of a sentence on a name: the nearest valid one, or all where they are few.

    >>> nearest("tinny", ["full", "tiny"]), nearest("?", ["full", "tiny"])
    (", did you mean 'tiny'?", ' (valid: full, tiny).')
    """
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    if close:
        return f", did you mean '{close[0]}'?"
    return f" (valid: {', '.join(valid)})." if 0 < len(valid) <= 15 else "."
