"""Variants that a recipe names by ``kind``: this package's own, and those of installed packages."""

from __future__ import annotations

import inspect
import sys
from functools import reduce
from importlib.metadata import EntryPoint, entry_points
from operator import or_
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field

from contragan.core.errors import UserError


def union(group: str, *variants: type[BaseModel]) -> Any:
    """The type of a setting that is one of ``variants``, told apart by their ``kind``.

    Another package joins with an entry point in the group ``contragan.<group>`` that names its
    settings class.

    Raises:
        UserError: a class without a ``kind``, or two with the same one; names classes and files.
    """
    known: dict[str, type[BaseModel]] = {}
    for variant in (*variants, *installed(group)):
        kind = kind_of(variant)
        if kind is None:
            raise UserError(f"{where(variant)} cannot join {group}: it has no kind: Literal[...]")
        if kind in known:
            raise UserError(
                f"{where(variant)} cannot join {group}: its kind '{kind}' is taken by "
                f"{where(known[kind])}. Give it another"
            )
        known[kind] = variant
    return Annotated[reduce(or_, known.values()), Field(discriminator="kind")]


def kind_of(variant: type[BaseModel]) -> str | None:
    """The name by which a recipe chooses the variant; None where it has none."""
    field = variant.model_fields.get("kind")
    values = get_args(field.annotation) if field else ()
    return values[0] if values and isinstance(values[0], str) else None


def _loaded(point: EntryPoint) -> Any:
    try:
        return point.load()
    except AttributeError:
        # Where the user imports the extension before this package, it has only come as far as its
        # own import of us. Loaded anew it is whole, and Python gives that module to the user too.
        sys.modules.pop(point.module, None)
        return point.load()


def installed(group: str) -> list[type[BaseModel]]:
    found = []
    for point in sorted(entry_points(group=f"contragan.{group}"), key=lambda point: point.name):
        try:
            found.append(_loaded(point))
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"the installed extension {point.name} ({point.value}) cannot be loaded: {error}. "
                "Repair or uninstall its package"
            ) from error
    return found


def where(variant: type) -> str:
    """A class's full name and its file, for messages."""
    return f"{variant.__module__}.{variant.__qualname__} ({inspect.getsourcefile(variant)})"
