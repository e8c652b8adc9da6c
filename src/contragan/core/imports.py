"""Classes by their import path, ``my_package.my_module:MyClass``."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from contragan.core.errors import UserError
from contragan.core.words import shortened

T = TypeVar("T")


def is_import_path(name: str) -> bool:
    """Whether a name is meant as an import path: it has a colon."""
    return ":" in name


def import_class(path: str, base: type[T]) -> type[T]:
    """The class that an import path names. This runs the module's code.

    Raises:
        UserError: no such module or class, a module that fails, or a class that is not a complete
            one derived from ``base``; says which path was looked at.
    """
    module_name, _, name = path.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), name)):
        raise UserError(f"'{path}' is not an import path: write my_package.my_module:MyClass")
    module = _import(path, module_name)
    file = _file_of(module)
    if not hasattr(module, name):
        raise UserError(f"'{path}': {file} has no '{name}'{_candidates(module, base)}")
    found = getattr(module, name)
    if not (isinstance(found, type) and issubclass(found, base)):
        is_class = isinstance(found, type)
        what = "a class, but not" if is_class else f"of type {type(found).__name__} and not a class"
        raise UserError(
            f"'{path}': {name} in {file} is {what} derived from "
            f"{base.__module__}.{base.__qualname__}{_candidates(module, base)}"
        )
    if inspect.isabstract(found):
        lacking = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise UserError(f"'{path}': {name} in {file} is not complete: it lacks {lacking}")
    return found


def _import(path: str, module_name: str) -> ModuleType:
    try:
        return import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if module_name != missing and not module_name.startswith(f"{missing}."):
            raise UserError(f"'{path}': {module_name} needs the module {missing}") from error
        parent = sys.modules.get(missing.rpartition(".")[0])
        places = [os.path.abspath(place) for place in getattr(parent, "__path__", sys.path)]
        raise UserError(
            f"'{path}': there is no module {missing} in {shortened(list(dict.fromkeys(places)), 4)}"
            ": install its package, or put its folder into PYTHONPATH"
        ) from error
    except Exception as error:  # whatever the module's code raises
        last = traceback.extract_tb(error.__traceback__)[-1]
        at = (
            f"{error.filename}, line {error.lineno}"
            if isinstance(error, SyntaxError)
            else (f"{last.filename}, line {last.lineno}")
        )
        said = " ".join(str(error).split())
        raise UserError(
            f"'{path}': importing {module_name} ends with {type(error).__name__}: {said} ({at})"
        ) from error


def _candidates(module: ModuleType, base: type) -> str:
    """The classes of a module that would do."""
    names = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == module.__name__
        and not inspect.isabstract(value)
    ]
    return f". It has {shortened([f'{module.__name__}:{name}' for name in names])}" * bool(names)


def _file_of(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or f"the built-in module {module.__name__}"


def where(variant: type) -> str:
    """A class's full name and its file, for messages."""
    return f"{variant.__module__}.{variant.__qualname__} ({inspect.getsourcefile(variant)})"


def source_of(path: str) -> dict[str, str]:
    """The file behind an import path that was imported, and its SHA-256, for a run's record."""
    module = sys.modules[path.partition(":")[0]]
    file = _file_of(module)
    if not Path(file).is_file():
        return {"file": file}
    return {"file": file, "sha256": hashlib.sha256(Path(file).read_bytes()).hexdigest()}
