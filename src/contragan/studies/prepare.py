"""A study made ready to run: everything checked, then its folder written; nothing is started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contragan.core.errors import UserError
from contragan.core.files import check_writable, write_text
from contragan.core.words import counted
from contragan.recipes.schema import Recipe, dump_recipe
from contragan.runs.lock import is_leftover
from contragan.runs.run import is_free, is_run, open_run
from contragan.studies.catalog import load_study, scale_of
from contragan.studies.needs import check_data, data_folders
from contragan.studies.plan import PlannedRun, distinct, plan
from contragan.studies.record import (
    RECIPES,
    STUDY,
    Record,
    check_same,
    default_folder,
    is_study,
    pool_of,
    read_record,
    recipe_file,
    write_record,
)
from contragan.studies.state import is_done
from contragan.training.resume import differences

POOL = "runs"
"""The folder of runs beside a study's folder, which studies of one parent folder share."""

_ELSEWHERE = "take that folder away, or give another --out and --pool"


@dataclass(frozen=True)
class StudyRequest:
    """What ``contragan study run`` was asked for; None: as the study's folder or its scale says."""

    name: str
    scale: str | None = None
    out: Path | None = None
    pool: Path | None = None
    data: Sequence[str] = ()
    seeds: int | None = None
    skip_unreadable: bool = False


@dataclass(frozen=True)
class Prepared:
    """A study that may be run: its runs, each once, under ``pool``.

    ``dropped`` is how many runs the folder's study had that are not among them any more.
    """

    out: Path
    pool: Path
    record: Record
    runs: tuple[PlannedRun, ...]
    skip_unreadable: bool = False
    dropped: int = 0

    def notes(self) -> list[str]:
        """What the user should know before anything runs."""
        if not self.dropped:
            return []
        return [
            f"note: {counted(self.dropped, 'run')} that {self.out} had before no longer belong to "
            "the study (fewer seeds, or other cells): the table leaves them out, and they stay in "
            f"{self.pool}"
        ]

    def command(self, run: PlannedRun) -> list[str]:
        """The words after ``contragan`` that make a run, or go on with it."""
        words = ["train", str(recipe_file(self.out, run.recorded).absolute())]
        words += ["--seed", str(run.recorded.seed), "--out", str(self.pool / run.name), "--resume"]
        if (folder := self.record.data.get(run.recorded.data)) is not None:
            words += ["--data", folder]
        if self.skip_unreadable:
            words.append("--skip-unreadable")
        return words

    def write(self) -> None:
        """Write the study's folder: the recipes first, then the file that makes it a study's."""
        for run in self.runs:
            path, text = recipe_file(self.out, run.recorded), dump_recipe(run.recipe)
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                write_text(path, text)
        write_record(self.out, self.record)


def prepare(request: StudyRequest) -> Prepared:
    """Check a study, its data and the runs that are there; writes nothing.

    Raises:
        UserError: an unknown study, scale, recipe or setting; data that is not there; a folder of
            another study or scale; a run of another recipe.
    """
    name, study = load_study(request.name)
    scale = scale_of(study, request.scale, f"study {name}")
    out = request.out or default_folder(name, scale)
    old = _earlier(out)
    seeds = _seeds(request.seeds, old)
    runs = plan(study, scale, seeds)
    folders = data_folders(request.data, [run.recorded.data for run in runs])
    data = {} if old is None else dict(old.data)
    data |= {kind: str(folder) for kind, folder in folders.items()}
    record = Record(
        name=name,
        scale=scale,
        seeds=study.scales[scale].seeds if seeds is None else seeds,
        pool=_pool(request.pool, out, old),
        data=data,
        runs=tuple(run.recorded for run in runs),
        study=study,
    )
    if old is not None:
        check_same(old, record, out)
    names = {run.name for run in runs}
    prepared = Prepared(
        out=out,
        pool=pool_of(record, out),
        record=record,
        runs=tuple(distinct(runs)),
        skip_unreadable=request.skip_unreadable,
        dropped=0 if old is None else sum(run.name not in names for run in old.distinct()),
    )
    for run in prepared.runs:
        _check_run(prepared.pool / run.name, run)
    missing = [run for run in prepared.runs if not is_done(prepared.pool / run.name, run.recorded)]
    check_data(missing, {kind: Path(path) for kind, path in data.items()})
    check_writable(prepared.pool, "--pool")
    return prepared


def _earlier(out: Path) -> Record | None:
    if is_study(out):
        return read_record(out)
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; give a folder")
    check_writable(out, "--out")
    if out.is_dir():
        others = [item.name for item in out.iterdir() if not is_leftover(item.name)]
        if set(others) - {RECIPES}:
            raise UserError(
                f"--out {out} is not empty and holds no study (no {STUDY}): give another"
            )
    return None


def _seeds(asked: int | None, old: Record | None) -> int | None:
    """As many seeds as asked for, else as many as were asked for when the folder was written."""
    if asked is not None or old is None or old.seeds == old.study.scales[old.scale].seeds:
        return asked
    return old.seeds


def _pool(given: Path | None, out: Path, old: Record | None) -> str:
    """The folder of the runs as the record has it: relative where nobody said where."""
    beside = os.path.join(os.pardir, POOL)
    if given is None:
        return beside if old is None else old.pool
    if old is not None and pool_of(old, out) == Path(os.path.normpath(given.absolute())):
        return old.pool
    return os.path.normpath(given.absolute())


def _check_run(folder: Path, run: PlannedRun) -> None:
    """Raises UserError where a run's folder holds anything but this run."""
    if not folder.exists() or (folder.is_dir() and is_free(folder)):
        return
    if not is_run(folder):
        raise UserError(f"{folder} holds no run, but a run is to go there: {_ELSEWHERE}")
    saved = open_run(folder)
    if saved.seed != run.recorded.seed:
        raise UserError(
            f"{folder} was trained with seed {saved.seed}, not {run.recorded.seed}: {_ELSEWHERE}"
        )
    if changed := differences(_trained(saved.recipe), _trained(run.recipe)):
        raise UserError(
            f"{folder} was made with other settings ({', '.join(changed[:4])}), by another version "
            f"or by hand: {_ELSEWHERE}"
        )


def _trained(recipe: Recipe) -> dict[str, object]:
    return recipe.model_dump(mode="json", exclude={"description", "reference"})
