"""A recipe with every setting explained, from the descriptions in the schema."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel

from contragan.core.resolution import Rectangle
from contragan.recipes.schema import Recipe

_WIDTH = 80


def explained(recipe: Recipe) -> str:
    """The recipe as YAML, those settings included that it leaves out, each under its description.

    It reads back as the same recipe.
    """
    return "\n".join(_lines(recipe, ""))


def description(settings: type[BaseModel], key: str) -> str:
    """What one setting means; a ``kind`` is described by what its class does."""
    if key == "kind":
        return " ".join((settings.__doc__ or "").partition("\n\n")[0].split())
    return settings.model_fields[key].description or ""


def _lines(settings: BaseModel, indent: str) -> Iterator[str]:
    keys = sorted(type(settings).model_fields, key=lambda key: key != "kind")  # kind comes first
    for key in keys:
        if not indent and key != keys[0]:
            yield ""
        yield from _comment(description(type(settings), key), indent)
        yield from _setting(f"{indent}{key}:", getattr(settings, key), indent)


def _setting(start: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield start
        yield from _lines(value, f"{indent}  ")
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        yield start
        for item in value:
            first, *rest = _lines(item, f"{indent}    ")
            yield f"{indent}  -"
            yield from (first, *rest)
    else:
        plain = list(value) if isinstance(value, tuple) else value
        plain = str(value) if isinstance(value, Rectangle) else plain
        text = yaml.safe_dump(plain, default_flow_style=True, width=float("inf"))
        yield f"{start} {text.split(chr(10))[0]}"


def _comment(text: str, indent: str) -> list[str]:
    start = f"{indent}# "
    plain = re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"\1", text).replace("``", "")
    return textwrap.wrap(plain, _WIDTH, initial_indent=start, subsequent_indent=start)
