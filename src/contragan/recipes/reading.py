"""Reading YAML files of settings, and saying in one line what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from contragan.core.errors import UserError
from contragan.recipes.catalog import nearest


class Loader(yaml.SafeLoader):
    """YAML in which 1e-4 is a number, as in YAML 1.2."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def parse_yaml(text: str, where: str) -> Any:
    """The content of YAML text; ``where`` says what it is, for messages.

    Raises:
        UserError: it is not valid.
    """
    try:
        return yaml.load(text, Loader=Loader)  # a subclass of SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise UserError(f"{where} is not valid YAML: {problem}") from error


def explain(error: ValidationError, root: type[BaseModel]) -> str:
    """What is wrong with settings, in one line: every key by its path, with its nearest name."""
    parts = []
    for problem in error.errors(include_url=False)[:3]:
        location = [str(step) for step in problem["loc"]]
        model, path, kinds = _model_at(location, root)
        where = ".".join(path)
        if problem["type"] == "extra_forbidden":
            valid = list(model.model_fields) if model else []
            parts.append(f"unknown key '{where}'{nearest(path[-1], valid)}")
        elif problem["type"] == "missing":
            parts.append(f"key '{where}' is missing")
        elif problem["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            given, expected = problem["ctx"].get("tag"), kinds
            if given is None:
                parts.append(f"'{where}' needs its kind (valid: {', '.join(expected)})")
            else:
                parts.append(f"'{where}.kind' is '{given}'{nearest(str(given), expected)}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            given = problem["input"]
            shown = f" (got {given!r})" if isinstance(given, str | int | float | bool) else ""
            parts.append(f"'{where}': {message}{shown}" if where else f"{message}")
    more = error.error_count() - 3
    return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")


def _model_at(
    location: list[str], root: type[BaseModel]
) -> tuple[type[BaseModel] | None, list[str], list[str]]:
    """The model whose key a pydantic error location names, the path without union tags, and the
    tags to choose from where the path ends in a union."""
    model: type[BaseModel] | None = root
    path: list[str] = []
    candidates: dict[str, type[BaseModel]] = {}
    inside: type[BaseModel] | None = None
    for step in location:
        if inside is not None:  # a list's index, or a mapping's key
            model, inside = inside, None
            path.append(step)
            continue
        if step in candidates:  # a union's tag, which the recipe's own path does not hold
            model, candidates = candidates[step], {}
            continue
        path.append(step)
        parent, model = model, None
        if parent is not None and step in parent.model_fields:
            annotation = parent.model_fields[step].annotation
            models = list(models_in(annotation))
            if len(models) == 1:
                model = models[0]
                inside = model if get_origin(annotation) in {dict, list, tuple} else None
            candidates = {str(_tag(m)): m for m in models if _tag(m)}
        elif step == location[-1]:
            model = parent
    return model, path, list(candidates)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The classes of settings that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    return get_args(field.annotation)[0] if field else None
