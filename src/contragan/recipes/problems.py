"""What is wrong with a recipe, in one line, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from contragan.core.imports import import_class
from contragan.core.registry import IMPORTED
from contragan.recipes.catalog import nearest, recipe_names, recipe_text

LONGEST_SETTING = 200
"""Characters of a ``--set`` that a message spells out."""


@dataclass(frozen=True)
class Attempt:
    """A recipe that was refused: its text's values ``before`` the overrides, and with them."""

    model: type[BaseModel]
    name: str
    before: dict[str, Any]
    given: dict[str, Any]


def explain(error: ValidationError, attempt: Attempt) -> str:
    """The first three problems, with the nearest valid names."""
    parts: list[str] = []
    for problem in error.errors(include_url=False):
        part = _other_kind(problem, attempt) or _explain(problem, attempt)
        if part not in parts:
            parts.append(part)
    more = len(parts) - 3
    return "; ".join(parts[:3]) + (f"; and {more} more" if more > 0 else "")


def _explain(problem: Any, attempt: Attempt) -> str:
    model, path, kinds = _model_at([str(step) for step in problem["loc"]], attempt)
    where = ".".join(path)
    if problem["type"] == "extra_forbidden":
        valid = list(model.model_fields) if model else []
        return f"unknown key '{where}'{nearest(path[-1], valid)}"
    if problem["type"] == "missing":
        return f"key '{where}' is missing"
    if problem["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        given = problem["ctx"].get("tag")
        if given is None:
            return f"'{where}' needs its kind (valid: {', '.join(kinds)})"
        return f"'{where}.kind' is '{given}'{nearest(str(given), kinds)}"
    if problem["type"] == "tuple_type" and isinstance(problem["input"], str | int | float):
        return f"'{where}' is a list: write {where}=[{problem['input']}]"
    message = problem["msg"].removeprefix("Value error, ")
    given = problem["input"]
    shown = f" (got {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"'{where}': {message}{shown}" if where else f"{message}"


def _other_kind(problem: Any, attempt: Attempt) -> str | None:
    """Which keys go with a kind that an override chose, where those of another kind are there."""
    if problem["type"] not in {"missing", "extra_forbidden"} or len(problem["loc"]) < 3:
        return None
    section, tag, key = (str(step) for step in problem["loc"][:3])
    kind, earlier = (_kind(values.get(section)) for values in (attempt.given, attempt.before))
    if kind is None or kind == earlier:
        return None
    if problem["type"] == "extra_forbidden" and key not in (attempt.before.get(section) or {}):
        return None  # not left over from the earlier kind, but given
    model, _, _ = _model_at([section, tag, ""], attempt)
    if model is None:
        return None
    needed = [name for name, field in model.model_fields.items() if field.is_required()]
    allowed = [name for name in model.model_fields if name not in needed and name != "kind"]
    needed = [name for name in needed if name != "kind"]
    takes = f"needs the keys {', '.join(needed)}" if needed else "needs no key beside kind"
    takes += f" and may have {', '.join(allowed)}" if allowed else ""
    return f"{section}.kind={kind} {takes}{_where_to_start(section, kind, attempt)}"


def _where_to_start(section: str, kind: str, attempt: Attempt) -> str:
    """The packaged recipe with this kind that is most like the recipe, and what it says of it."""
    found = _packaged_with(section, kind, attempt)
    if found is None:
        return ""
    name, values = found
    setting = yaml.safe_dump(
        values, default_flow_style=True, sort_keys=False, width=LONGEST_SETTING * 2
    ).strip()
    start = f": start from {name}, which has it"
    if len(setting) > LONGEST_SETTING:
        return start
    return f"{start}, or take its settings over: --set '{section}={setting}'"


def _packaged_with(section: str, kind: str, attempt: Attempt) -> tuple[str, dict[str, Any]] | None:
    """Of the same family and else of any, the recipe that shares most of its other sections."""
    family, data = attempt.name.partition("/")[0], _kind(attempt.before.get("data"))
    best: tuple[tuple[bool, int], str, dict[str, Any]] | None = None
    for name in recipe_names():
        text = recipe_text(name)
        if f"kind: {kind}" not in text:
            continue
        recipe = yaml.safe_load(text)
        if _kind(recipe.get(section)) != kind:
            continue
        alike = name.partition("/")[0] == family or _kind(recipe.get("data")) == data
        shared = sum(recipe.get(key) == value for key, value in attempt.before.items())
        if best is None or (alike, shared) > best[0]:
            best = (alike, shared), name, recipe[section]
    return None if best is None else best[1:]


def _kind(section: Any) -> str | None:
    kind = section.get("kind") if isinstance(section, dict) else None
    return kind if isinstance(kind, str) else None


def _model_at(
    location: list[str], attempt: Attempt
) -> tuple[type[BaseModel] | None, list[str], list[str]]:
    """The model whose key a pydantic error location names, the path without union tags, and the
    tags to choose from where the path ends in a union."""
    model: type[BaseModel] | None = attempt.model
    path: list[str] = []
    candidates: dict[str, type[BaseModel]] = {}
    for step in location:
        if step in candidates:  # a union's tag, which the recipe's own path does not hold
            model, candidates = candidates[step], {}
            continue
        if step == IMPORTED:
            model, candidates = import_class(_at(path, attempt.given)["kind"], BaseModel), {}
            continue
        path.append(step)
        parent, model = model, None
        if parent is not None and step in parent.model_fields:
            models = list(_models_in(parent.model_fields[step].annotation))
            if len(models) == 1:
                model = models[0]
            candidates = {str(_tag(m)): m for m in models if _tag(m)}
        elif step == location[-1]:
            model = parent
    return model, path, list(candidates)


def _at(path: list[str], values: Any) -> Any:
    for step in path:
        values = values[int(step)] if isinstance(values, list) else values[step]
    return values


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    return get_args(field.annotation)[0] if field else None
