"""What is wrong with a recipe, in one line, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from contragan.recipes.catalog import nearest, recipe_names, recipe_text
from contragan.recipes.reading import model_at

LONGEST_SETTING = 200
"""Characters of a ``--set`` that a message spells out."""


@dataclass(frozen=True)
class Attempt:
    """Settings that were refused; of a recipe, its values before and after the overrides."""

    model: type[BaseModel]
    name: str = ""
    before: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)


def explain(error: ValidationError, attempt: Attempt) -> str:
    """The first three problems, with the nearest valid names."""
    parts: list[str] = []
    for problem in error.errors(include_url=False):
        part = _other_kind(problem, attempt) or _explain(problem, attempt)
        if part not in parts:
            parts.append(part)
    more = [f"and {len(parts) - 3} more"] if len(parts) > 3 else []
    *before, last = parts[:3] + more
    return "; ".join([*(part.removesuffix(".") for part in before), last])


def _explain(problem: Any, attempt: Attempt) -> str:
    location = [str(step) for step in problem["loc"]]
    model, path, kinds = model_at(location, attempt.model, attempt.given)
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
    model, _, _ = model_at([section, tag, ""], attempt.model, attempt.given)
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
