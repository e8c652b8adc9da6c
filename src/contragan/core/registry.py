"""Variants that a recipe names by ``kind``.

They are this package's own, those of installed packages, and any class by its import path,
``my_module:MyHead``.
"""

from __future__ import annotations

import sys
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, Literal, Union, get_args

from pydantic import BaseModel, Discriminator, PlainValidator, Tag, ValidationInfo, create_model
from pydantic_core import to_json

from contragan.core.errors import UserError
from contragan.core.imports import import_class, is_import_path, where

IMPORTED = "import path"
"""The tag of variants that are named by their import path."""


def union(group: str, *variants: type[BaseModel], base: type[BaseModel]) -> Any:
    """The type of a setting that is one of ``variants``, told apart by their ``kind``.

    Another package joins with an entry point in the group ``contragan.<group>`` that names its
    settings class. A kind with a colon is the import path of a class derived from ``base``.

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
    choices = [Annotated[variant, Tag(kind)] for kind, variant in known.items()]
    imported = Annotated[Any, PlainValidator(partial(_imported, base)), Tag(IMPORTED)]
    return Annotated[Union[(*choices, imported)], Discriminator(_tag)]


def _tag(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    if not isinstance(kind, str):
        return None
    return IMPORTED if is_import_path(kind) else kind


def _imported(base: type[BaseModel], value: Any, info: ValidationInfo) -> BaseModel:
    """Settings that name their class by its import path."""
    if isinstance(value, base):
        return value
    variant = variant_at(value["kind"], base)
    if info.mode == "json":  # which is strict, and takes a list for a tuple
        return variant.model_validate_json(to_json(value), strict=True)
    return variant.model_validate(value)


@cache
def variant_at(path: str, base: type[BaseModel]) -> type[BaseModel]:
    """The settings class at an import path, with that path as its ``kind``.

    Raises:
        UserError: it cannot be imported, or is not derived from ``base``.
    """
    found = import_class(path, base)
    kind: Any = (Literal[path], ...)
    return create_model(
        found.__name__,
        __base__=found,
        __module__=found.__module__,
        __doc__=found.__doc__,
        kind=kind,
    )


def kind_of(variant: type[BaseModel]) -> str | None:
    """The name by which a recipe chooses the variant; None where it has none."""
    field = variant.model_fields.get("kind")
    values = get_args(field.annotation) if field else ()
    return values[0] if values and isinstance(values[0], str) else None


def short(kind: str) -> str:
    """A kind as the name of a loss term: the class's name, of an import path."""
    return kind.rpartition(":")[2]


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
