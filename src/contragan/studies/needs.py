"""What a study's runs need before any of them starts: their data sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from contragan.core.cache import DOWNLOADS, cache_folder
from contragan.core.errors import UserError
from contragan.core.files import expanded
from contragan.data.base import Split
from contragan.data.datasets import DataConfig
from contragan.recipes.catalog import nearest
from contragan.studies.plan import PlannedRun

EMBEDDED = {"digits"}
"""Data sets that come with a library and are not read from a folder."""


def data_folders(given: Sequence[str], kinds: Sequence[str]) -> dict[str, Path]:
    """The folder of each kind of data set, from ``KIND=PATH`` or from one ``PATH`` alone.

    ``kinds`` are those of the study.

    Raises:
        UserError: a kind that the study does not have, or one path where it has several.
    """
    external = [kind for kind in dict.fromkeys(kinds) if kind not in EMBEDDED]
    folders: dict[str, Path] = {}
    for text in given:
        kind, path = _split(text, external)
        if kind in folders:
            raise UserError(f"--data names {kind} twice: give one folder")
        folders[kind] = Path.absolute(expanded(Path(path)))
    return folders


def _split(text: str, external: Sequence[str]) -> tuple[str, str]:
    if match := re.fullmatch(r"([a-z][a-z0-9_]*)=(.+)", text):
        kind, path = match.groups()
        if kind not in external:
            raise UserError(f"--data {text}: the study has no data set {_of(kind, external)}")
        return kind, path
    if not external:
        raise UserError(f"--data {text}: the study's data needs no folder. Leave out --data")
    if len(external) > 1:
        raise UserError(
            f"--data {text}: the study has {len(external)} data sets ({', '.join(external)}): "
            f"give each its own, as --data {external[0]}=PATH"
        )
    return external[0], text


def _of(kind: str, external: Sequence[str]) -> str:
    return f"'{kind}'{nearest(kind, list(external))}" if external else f"'{kind}', and needs none"


def check_data(runs: Iterable[PlannedRun], folders: Mapping[str, Path]) -> None:
    """Find every data set of a study; those that can be downloaded are, where no folder is given.

    Raises:
        UserError: one is missing, or laid out otherwise; names it, and how to get it.
    """
    seen: dict[str, DataConfig] = {}
    for run in runs:
        seen.setdefault(run.recipe.data.model_dump_json(), run.recipe.data)
    splits: tuple[Split, ...] = ("train", "test")
    for config in seen.values():
        for split in splits:
            try:
                config.source(split, folders.get(config.kind), cache_folder() / DOWNLOADS)
            except OSError as error:
                raise UserError(
                    f"data set {config.kind}: cannot read its folder: {error}"
                ) from error
            except UserError as error:
                said = str(error).replace("--data PATH", f"--data {config.kind}=PATH")
                raise UserError(f"data set {config.kind}: {said}") from error
