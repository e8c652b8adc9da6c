"""Reading YAML files of settings, and finding the settings that a place in them belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel

from contragan.core.errors import UserError
from contragan.core.imports import import_class
from contragan.core.registry import IMPORTED


class Loader(yaml.SafeLoader):
    """YAML in which 1e-4 is a number, as in YAML 1.2."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def parse_yaml(text: str, where: str, names: tuple[str, ...] | None = None) -> Any:
    """The content of YAML text; ``where`` says what it is, for messages.

    ``names`` is the path of a list of names in it, () for the whole: they are taken as they are
    written, since 007 and no are names too.

    Raises:
        UserError: it is not valid.
    """
    try:
        loader = Loader(text)  # a subclass of SafeLoader
        node = loader.get_single_node()
        if node is None:
            return None
        if names is not None:
            _as_written(node, names)
        return loader.construct_document(node)
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{where} is not valid YAML: {_problem(error)}") from error


def _problem(error: yaml.YAMLError | RecursionError) -> str:
    """What is wrong, and in which line, without the excerpts over several lines."""
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark) is not None:
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())


def _as_written(node: yaml.Node, path: tuple[str, ...]) -> None:
    """Make the scalars of the list at ``path`` texts, whatever type YAML sees in them."""
    if path and isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == path[0]:
                _as_written(value, path[1:])
    elif not path and isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if isinstance(item, yaml.ScalarNode):
                item.tag = "tag:yaml.org,2002:str"


def model_at(
    location: list[str], root: type[BaseModel], given: dict[str, Any]
) -> tuple[type[BaseModel] | None, list[str], list[str]]:
    """The model whose key a pydantic error location names, the path without union tags, and the
    tags to choose from where the path ends in a union; ``given`` are the settings refused."""
    model: type[BaseModel] | None = root
    path: list[str] = []
    candidates: dict[str, type[BaseModel]] = {}
    inside: type[BaseModel] | None = None
    for step in location:
        if inside is not None:  # a list's index, or a mapping's key
            model, inside = inside, None
            path.append(step)
            continue
        if step == IMPORTED:
            model, candidates = import_class(_at(path, given)["kind"], BaseModel), {}
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
            candidates = {str(tag(m)): m for m in models if tag(m)}
        elif step == location[-1]:
            model = parent
    return model, path, list(candidates)


def _at(path: list[str], values: Any) -> Any:
    for step in path:
        values = values[int(step)] if isinstance(values, list) else values[step]
    return values


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The classes of settings that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    return get_args(field.annotation)[0] if field else None
