"""The studies that come with the package, and a user's own, read without loading anything heavy."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from contragan.core.errors import UserError
from contragan.core.files import read_text
from contragan.core.words import joined
from contragan.recipes.catalog import ENDINGS, nearest
from contragan.recipes.problems import Attempt, explain
from contragan.recipes.reading import parse_yaml
from contragan.studies.scales import with_scales
from contragan.studies.schema import Study


def study_names() -> list[str]:
    """Names of the packaged studies, such as ``paper/table1``."""
    return sorted(name for name, _ in _packaged())


def load_study(name: str) -> tuple[str, Study]:
    """A study by name, or from a YAML file by path; returns what to call it as well.

    A file's study is called after the file, and finds its own recipe files beside it.

    Raises:
        UserError: no such study (names the nearest), or a file that cannot be read.
    """
    for packaged, file in _packaged():
        if packaged == name:
            return name, parse_study(file.read_text(encoding="utf-8"), f"study {name}")
    path = Path(os.path.expanduser(name))
    if path.suffix not in ENDINGS:
        raise UserError(
            f"unknown study '{name}'{nearest(name, study_names())} "
            "`contragan study list` lists all; a path ending in .yaml reads your own file"
        )
    study = parse_study(read_text(path), f"study {path}")
    folder = path.resolve().parent
    cells = tuple(
        cell.model_copy(update={"recipe": str(folder / os.path.expanduser(cell.recipe))})
        if cell.recipe.endswith(ENDINGS)
        else cell
        for cell in study.cells
    )
    return path.stem, study.model_copy(update={"cells": cells})


def parse_study(text: str, where: str) -> Study:
    """A study from YAML text; ``where`` is for messages.

    Raises:
        UserError: not valid YAML, an unknown key, a wrong type, or two cells of one name.
    """
    raw = parse_yaml(text, where)
    if not isinstance(raw, dict):
        raise UserError(f"{where} is not a mapping of settings")
    raw = with_scales(raw, where)
    try:
        # By way of JSON, so that strict types still take a list for a tuple.
        return Study.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        raise UserError(f"{where}: {explain(error, Attempt(Study))}") from error
    except (TypeError, ValueError, RecursionError) as error:  # from JSON: a date, or a cycle
        raise UserError(
            f"{where}: a value has a type that a study cannot hold ({error})"
        ) from error


def scale_of(study: Study, name: str | None, where: str) -> str:
    """The scale that was asked for, or the only one.

    Raises:
        UserError: the study does not have it, or has several and none was chosen.
    """
    names = list(study.scales)
    if name is None:
        if len(names) == 1:
            return names[0]
        raise UserError(f"{where} has the scales {joined(names)}: choose one with --scale")
    if name not in study.scales:
        raise UserError(f"{where} has no scale '{name}'{nearest(name, names)}")
    return name


def _packaged() -> Iterator[tuple[str, Traversable]]:
    yield from _below(resources.files("contragan").joinpath("studies"), "")


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for item in folder.iterdir():
        if item.name.endswith(".yaml"):
            yield prefix + item.name.removesuffix(".yaml"), item
        elif item.is_dir() and not item.name.startswith("_"):
            yield from _below(item, f"{prefix}{item.name}/")
