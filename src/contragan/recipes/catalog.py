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


def recipe_names() -> list[str]:
    """Names of the packaged recipes, as ``data set/gan``."""
    return sorted(name for name, _ in _packaged())


def descriptions() -> dict[str, str]:
    """One line on each packaged recipe, by name."""
    return {
        name: _description(file.read_text(encoding="utf-8")) for name, file in sorted(_packaged())
    }


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
    """Text of a recipe: a packaged one by name, or a YAML file by path.

    Raises:
        UserError: no such recipe (names the nearest), or a file that cannot be read.
    """
    for packaged, file in _packaged():
        if packaged == name:
            return file.read_text(encoding="utf-8")
    path = Path(os.path.expanduser(name))
    if path.suffix in {".yaml", ".yml"}:
        return read_text(path)
    raise UserError(
        f"unknown recipe '{name}'{nearest(name, recipe_names())} "
        "`contragan recipes` lists all; a path ending in .yaml reads your own file"
    )


def nearest(name: str, valid: list[str]) -> str:
    """``", did you mean '...'?"`` with the nearest valid name, or all where they are few."""
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    if close:
        return f", did you mean '{close[0]}'?"
    return f" (valid: {', '.join(valid)})" if 0 < len(valid) <= 15 else "."
