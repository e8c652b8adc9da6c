"""A run on disk: what it trained, on which classes, and where its checkpoints are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from contragan.core.errors import UserError
from contragan.core.files import read_text, write_text
from contragan.recipes.catalog import todays_name
from contragan.recipes.schema import Recipe, dump_recipe, parse_recipe
from contragan.runs.lock import HOLDER, LOCK, is_leftover

RECIPE, DATASET, ENVIRONMENT = "recipe.yaml", "dataset.json", "environment.json"
FINE_TUNING = "fine_tuning.json"


@dataclass(frozen=True)
class DatasetFacts:
    """What a run remembers of its data, so that sampling needs no data set."""

    name: str
    class_names: tuple[str, ...]
    class_counts: tuple[int, ...]
    fingerprint: str
    path: str | None

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def knows_names(self) -> bool:
        """False for a run imported without its data, whose classes have numbers only."""
        numbers = tuple(str(index) for index in range(self.num_classes))
        return bool(self.fingerprint) or self.class_names != numbers

    @property
    def known_names(self) -> tuple[str, ...] | None:
        """The class names, None where there are only numbers: data read again gets their order."""
        return self.class_names if self.knows_names else None

    @property
    def folder(self) -> Path | None:
        """Where the data lay, None for a set that has no folder."""
        return Path(self.path) if self.path else None

    def named(self, class_names: Sequence[str], checkpoint: str) -> DatasetFacts:
        """These facts with a checkpoint's class names: they are the ones its network draws.

        Raises:
            UserError: the checkpoint has another number of classes.
        """
        if len(class_names) != self.num_classes:
            raise UserError(
                f"{checkpoint} was trained on {len(class_names)} classes, but its run's {DATASET} "
                f"names {self.num_classes}"
            )
        return replace(self, class_names=tuple(class_names))


@dataclass(frozen=True)
class Run:
    """A run's folder: ``recipe.yaml``, ``dataset.json``, ``checkpoints/`` and the rest."""

    path: Path
    name: str
    recipe: Recipe
    seed: int
    dataset: DatasetFacts

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def environment(self) -> dict[str, Any]:
        """What the run was made with, from ``environment.json``; empty where it cannot be read."""
        return _read_facts(self.path / ENVIRONMENT)

    @property
    def fine_tuning(self) -> dict[str, Any]:
        """What the run took from another one (``fine_tuning.json``); empty where it began anew."""
        return _read_facts(self.path / FINE_TUNING)

    def __repr__(self) -> str:
        classes = f"{self.dataset.num_classes} classes"
        return f"Run({str(self.path)!r}: {self.name}, seed {self.seed}, {classes})"

    def metrics(self, settings: Sequence[str] | None = None) -> Any:
        """Everything that the run measured, one row per value.

        A pandas DataFrame where pandas is installed, else a list of dicts. Columns: ``run``,
        ``recipe``, ``seed``, the ``settings`` asked for, ``step`` (iterations), ``wall_seconds``
        (of training up to that step, without evaluations; None beyond the last logged speed),
        ``name`` (``d/adversarial``, ``evaluation/frechet_distance``), ``value``, ``unit``, and
        ``features``, the extractor behind a score. Tables of several runs join into one.

        Args:
            settings: dotted paths such as ``"training.batch_size"``; None for the kinds of data,
                generator, conditioning and adversarial loss.

        Raises:
            UserError: a setting that the recipe lacks, or a damaged ``metrics.jsonl``.
        """
        from contragan.runs.table import KINDS, metrics_table

        return metrics_table(self, KINDS if settings is None else settings)

    def write(self, environment: dict[str, Any], fine_tuning: dict[str, Any] | None = None) -> None:
        """Make the folder and write everything that does not change during training.

        ``fine_tuning`` is what the run took from another one; None leaves what is written there.

        The last file makes it a run; what an error interrupts is removed again, and what a kill
        left counts as nothing (:func:`is_free`).
        """
        facts = {"recipe": self.name, "seed": self.seed, **asdict(self.dataset)}
        texts = {
            ENVIRONMENT: json.dumps(environment, indent=1) + "\n",
            RECIPE: dump_recipe(self.recipe),
            DATASET: json.dumps(facts, indent=1) + "\n",
        }
        if fine_tuning is not None:
            texts = {FINE_TUNING: json.dumps(fine_tuning, indent=1) + "\n", **texts}
        is_new, existed = not is_run(self.path), self.path.exists()
        try:
            for name, text in texts.items():
                write_text(self.path / name, text)
        except BaseException:
            if not existed:
                shutil.rmtree(self.path, ignore_errors=True)
            elif is_new:
                with suppress(OSError):
                    for name in reversed(texts):
                        (self.path / name).unlink(missing_ok=True)
            raise
        self.checkpoints.mkdir(exist_ok=True)
        self.samples.mkdir(exist_ok=True)


def is_run(path: Path) -> bool:
    """Whether a folder holds a run."""
    return (path / RECIPE).is_file() and (path / DATASET).is_file()


def is_free(path: Path) -> bool:
    """Whether a folder is empty, or holds what :meth:`Run.write` had written when it was killed."""
    names = {item.name for item in path.iterdir()} - {LOCK, HOLDER}
    names -= {name for name in names if is_leftover(name)}
    names -= {FINE_TUNING}
    # A recipe alone is somebody's own.
    return names in (set(), {ENVIRONMENT}, {ENVIRONMENT, RECIPE})


def _read_facts(file: Path) -> dict[str, Any]:
    """A JSON object in a file; empty where it cannot be read."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def open_run(path: Path) -> Run:
    """Read a run's folder.

    Raises:
        UserError: it is not a run, or its files cannot be read.
    """
    if not is_run(path):
        what = "is not there" if not path.exists() else f"holds no run (no {RECIPE})"
        raise UserError(f"{path} {what}. Give the folder that `contragan train` wrote")
    try:
        facts = json.loads((path / DATASET).read_text(encoding="utf-8"))
        dataset = DatasetFacts(
            name=facts["name"],
            class_names=tuple(facts["class_names"]),
            class_counts=tuple(facts["class_counts"]),
            fingerprint=facts["fingerprint"],
            path=facts["path"],
        )
        name, seed = facts["recipe"], facts["seed"]
        if not isinstance(name, str) or not isinstance(seed, int):
            raise TypeError("recipe is a name, and seed a number")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path / DATASET} is damaged: {error!r}") from error
    recipe = parse_recipe(read_text(path / RECIPE), str(path / RECIPE))
    return Run(path, todays_name(name, recipe.description), recipe, seed, dataset)


def checkpoint_at(path: Path) -> Path | None:
    """The whole path of a checkpoint, however ``path`` spells it; None where it is not one."""
    whole = path.resolve()
    return whole if whole.parent.name == "checkpoints" and not is_run(whole) else None


def run_of(path: Path) -> Path:
    """The folder of the run that ``path`` is, or of which it is a checkpoint."""
    checkpoint = checkpoint_at(path)
    return path if checkpoint is None else checkpoint.parent.parent
