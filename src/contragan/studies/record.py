"""A study's folder: which runs it consists of, and where they and their data lie."""

from __future__ import annotations

import json
import os
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from contragan.core.config import Config
from contragan.core.errors import UserError
from contragan.core.files import read_text, write_text
from contragan.recipes.problems import Attempt, explain
from contragan.recipes.reading import parse_yaml
from contragan.studies.schema import Study

STUDY, RECIPES = "study.yaml", "recipes"


class RecordedRun(Config):
    """One run of a cell. Two cells of the same settings and seed share one by its ``name``.

    ``data`` is the kind of its data set. ``evaluated`` says whether its last iteration is.
    """

    row: str
    column: str
    seed: int = Field(ge=0)
    name: str
    data: str
    total_iterations: int
    evaluated: bool

    @property
    def label(self) -> str:
        return f"{self.row}, {self.column}, seed {self.seed}"


class Record(Config):
    """What ``study.yaml`` in a study's folder holds: the study at one scale, and its runs.

    ``pool`` is the folder of the runs, seen from the study's folder. ``data`` are the data sets'
    folders by kind.
    """

    name: str
    scale: str
    seeds: int = Field(ge=1)
    pool: str
    data: dict[str, str] = Field(default_factory=dict)
    runs: tuple[RecordedRun, ...] = Field(min_length=1)
    study: Study

    @model_validator(mode="after")
    def _scale_is_the_studys(self) -> Record:
        if self.scale not in self.study.scales:
            raise ValueError(f"the study has no scale '{self.scale}'")
        return self

    @property
    def title(self) -> str:
        return f"{self.name} at scale {self.scale}"

    def distinct(self) -> list[RecordedRun]:
        """The runs, each once."""
        first: dict[str, RecordedRun] = {}
        for run in self.runs:
            first.setdefault(run.name, run)
        return list(first.values())


def pool_of(record: Record, out: Path) -> Path:
    """The folder of a study's runs, each under its name."""
    return Path(os.path.normpath(out.absolute() / record.pool))


def recipe_file(out: Path, run: RecordedRun) -> Path:
    """The recipe of a run with all that its scale and its cell say."""
    return out / RECIPES / f"{run.name}.yaml"


def is_study(out: Path) -> bool:
    return (out / STUDY).is_file()


def read_record(out: Path) -> Record:
    """Read a study's folder.

    Raises:
        UserError: it is not a study's folder, or its file is damaged.
    """
    path = out / STUDY
    if not is_study(out):
        what = "is not there" if not out.exists() else f"holds no study (no {STUDY})"
        raise UserError(f"{out} {what}. Give the folder that `contragan study run` wrote")
    raw = parse_yaml(read_text(path), str(path))
    try:
        return Record.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        raise UserError(f"{path} is damaged: {explain(error, Attempt(Record))}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}") from error


def write_record(out: Path, record: Record) -> None:
    """Write ``study.yaml`` whole or not at all."""
    content = record.model_dump(mode="json", exclude_defaults=True)
    write_text(out / STUDY, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def check_same(old: Record, new: Record, out: Path) -> None:
    """Raises UserError where ``out`` holds another study, another scale, or other settings."""
    if (old.name, old.scale) != (new.name, new.scale):
        raise UserError(f"{out} holds {old.title}, not {new.title}: give another --out")
    names = {run.label: run.name for run in old.runs}
    shared = [run for run in new.runs if run.label in names]
    if not shared:
        raise UserError(f"{out} holds another study called {old.name}: give another --out")
    for run in shared:
        if names[run.label] != run.name:
            raise UserError(
                f"{out} was begun with other settings of '{run.row}, {run.column}' (as another "
                "version, or an edited file, has them): give another --out"
            )
    if old.pool != new.pool:
        raise UserError(f"the runs of {out} lie in {pool_of(old, out)}: leave out --pool")


def default_folder(name: str, scale: str) -> Path:
    """Where a study goes that was not told where."""
    return Path("studies") / f"{name.replace('/', '-')}-{scale}"
