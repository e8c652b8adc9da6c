"""The page: everything of the runs put together as one HTML file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from contragan.core.files import write_text
from contragan.evaluation.by_class import EXPLANATION
from contragan.evaluation.record import metric_title, score_of, table_rows
from contragan.report import classes, pictures
from contragan.report.curves import charts
from contragan.report.differences import ABSENT, compare
from contragan.report.read import RunFacts, read_run
from contragan.report.studies import StudyFacts, run_labels, study_facts, study_of, study_runs
from contragan.report.together import alike, named, said_once
from contragan.runs.run import is_run
from contragan.studies.record import Record

_OWN = {"iteration", "recipe"}
"""Facts of one evaluation, which stand elsewhere on the page: runs share a protocol without."""

MOST_CLASSES = 1000
"""Rows of all tables of classes together."""


@dataclass(frozen=True)
class Report:
    """A written page: how many runs it shows, what it left out, and whether all have finished."""

    path: Path
    runs: int
    left_out: tuple[str, ...]
    finished: bool


def report(
    paths: Sequence[Path],
    out: Path,
    *,
    watching: bool = False,
    show: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Report:
    """Write one self-contained page about runs, folders of runs, or studies, to ``out``.

    Nothing but the folders is read, and nothing in them is written. A folder that cannot be shown
    is named on the page. ``show`` is called with a stage, how much of it is done, and of how much.

    Raises:
        UserError: the page cannot be written.
    """
    runs: list[RunFacts] = []
    studies, left_out = _studies(paths, show)
    folders = _labelled(paths)
    lost: list[tuple[str, str]] = []
    for number, (label, folder) in enumerate(folders):
        show("runs", number, len(folders))
        found = read_run(folder, label)
        if isinstance(found, str):
            lost.append((label, found.removeprefix(f"{label}: ")))
        else:
            runs.append(found)
    context = _context(runs, show) | {"studies": studies}
    lost += [(run.label, line) for run in runs for line in run.left_out]
    left_out += said_once(lost, len(folders))
    _write(out, context | {"left_out": left_out, "watching": watching})
    finished = all(run.is_finished for run in runs)
    finished &= all(study.is_finished for study in studies)
    return Report(out, len(runs), tuple(left_out), finished)


def run_folders(path: Path) -> list[Path]:
    """A run's folder itself; the runs of a study, or of a folder of runs."""
    if is_run(path):
        return [path]
    if isinstance(record := study_of(path), Record):
        return study_runs(record, path)
    inside = sorted(item for item in path.glob("*") if is_run(item)) if path.is_dir() else []
    return inside or [path]


def _studies(
    paths: Sequence[Path], show: Callable[[str, int, int], None]
) -> tuple[list[StudyFacts], list[str]]:
    """The studies among the folders, and a sentence on each that cannot be read."""
    found, left_out = [], []
    for number, path in enumerate(paths):
        record = study_of(path)
        if isinstance(record, str):
            left_out.append(record)
        elif record is not None:
            show("studies", number, len(paths))
            found.append(study_facts(record, path))
    return found, left_out


def _labelled(paths: Sequence[Path]) -> list[tuple[str, Path]]:
    """Short names of the paths' distinct runs.

    The runs of a single study are called as there; otherwise names are what follows the folder
    that all of them share.
    """
    if len(paths) == 1 and isinstance(record := study_of(paths[0]), Record):
        return [(label, folder) for folder, label in run_labels(record, paths[0]).items()]
    distinct = list({run.resolve(): run for path in paths for run in run_folders(path)}.values())
    if len(distinct) == 1:
        return [(distinct[0].resolve().name, distinct[0])]
    try:
        base = os.path.commonpath([path.resolve() for path in distinct])
        names = [os.path.relpath(path.resolve(), base) for path in distinct]
    except ValueError:  # several drives
        names = [str(path) for path in distinct]
    return list(zip(names, distinct, strict=True))


def _context(runs: list[RunFacts], show: Callable[[str, int, int], None]) -> dict[str, Any]:
    drawn = charts(runs)
    budget = pictures.BUDGET // max(1, len(runs))
    grids, confusions, tables, neighbours = [], [], [], []
    for number, run in enumerate(runs):
        show("pictures", number, len(runs))
        grids.append(pictures.grids(run, budget))
        confusions.append(classes.confusion(run))
        tables.append(classes.class_table(run, max(20, MOST_CLASSES // len(runs))))
        neighbours.append([p for path in run.neighbours if (p := pictures.picture(path))])
    data: dict[str, Any] = {
        "charts": [chart.to_dict() for chart in drawn],
        "grids": [[{"step": g.step, "src": g.source} for g in found] for found in grids],
        "confusions": [None if c is None else vars(c) for c in confusions],
    }
    for found in data["grids"]:
        if found:
            found[-1]["src"] = None  # the page shows it already
    return {
        "runs": runs,
        "charts": drawn,
        "grids": grids,
        "confusions": confusions,
        "tables": tables,
        "neighbours": neighbours,
        "explanation": EXPLANATION,
        "comparison": compare(runs),
        "scores": [_scores(run) for run in runs],
        "overview": _overview(runs),
        "protocols": [
            (named(labels, len(runs)), *protocol)
            for labels, protocol in alike((r.label, p) for r in runs for p in _protocols(r))
        ],
        "environments": _environments(runs),
        "now": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %Z"),
        "data": json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
    }


def _scores(run: RunFacts) -> list[tuple[str, str, str]]:
    """(title, best over training, last) of the last evaluation's scores.

    A score that is better neither high nor low has no best.
    """
    if not run.evaluations:
        return []
    step, record = run.evaluations[-1]
    found = []
    for name, value in record.values.items():
        same = [
            (r.values[name], s)
            for s, r in run.evaluations
            if name in r.values and r.protocol == record.protocol
        ]
        higher = score_of(name).higher_is_better
        best, at = max(same) if higher else min(same)
        shown = "" if higher is None else f"{best:.4g} at {at:,}"
        found.append((metric_title(record, name), shown, f"{value:.4g} at {step:,}"))
    return found


def _overview(runs: Sequence[RunFacts]) -> tuple[list[str], list[list[float | None]]]:
    """Titles of the scores of all runs' last evaluations, and each run's values."""
    found: list[dict[str, float]] = []
    for run in runs:
        if not run.evaluations:
            found.append({})
            continue
        _, record = run.evaluations[-1]
        found.append({metric_title(record, name): v for name, v in record.values.items()})
    titles = list(dict.fromkeys(title for values in found for title in values))
    return titles, [[values.get(title) for title in titles] for values in found]


def _protocols(run: RunFacts) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """Each protocol that evaluated a run, once: the iterations, and what scores depend on."""
    groups: dict[str, list[int]] = {}
    for index, (_, record) in enumerate(run.evaluations):
        groups.setdefault(json.dumps(record.protocol, sort_keys=True, default=str), []).append(
            index
        )
    found = []
    for members in groups.values():
        steps = [run.evaluations[index][0] for index in members]
        record = run.evaluations[members[-1]][1]
        try:
            rows = [row for row in table_rows(record)[len(record.values) :] if row[0] not in _OWN]
        except (KeyError, TypeError):
            rows = [(key, json.dumps(value, default=str)) for key, value in record.protocol.items()]
        title = f"{len(steps)} evaluations, iterations {min(steps):,} to {max(steps):,}"
        title = title if len(steps) > 1 else f"iteration {steps[0]:,}"
        found.append((title, tuple(rows)))
    return found


def _environments(runs: list[RunFacts]) -> tuple[list[str], list[tuple[str, list[str], bool]]]:
    """Columns of runs with the same environment; (fact, its value in each, whether they differ)."""
    flat = []
    for run in runs:
        facts = {k: str(v) for k, v in run.environment.items() if not isinstance(v, dict)}
        packages = run.environment.get("packages")
        flat.append(
            facts | ({k: str(v) for k, v in packages.items()} if isinstance(packages, dict) else {})
        )
    names = dict.fromkeys(name for facts in flat for name in facts)
    values = [tuple(facts.get(name, ABSENT) for name in names) for facts in flat]
    groups = alike((run.label, one) for run, one in zip(runs, values, strict=True))
    rows = [(name, [one[i] for _, one in groups]) for i, name in enumerate(names)]
    columns = [named(labels, len(runs)) for labels, _ in groups]
    return columns, [(name, found, len(set(found)) > 1) for name, found in rows]


def _write(out: Path, context: dict[str, Any]) -> None:
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    assets = resources.files("contragan.report").joinpath("assets")

    def asset(name: str) -> Markup:
        return Markup(assets.joinpath(name).read_text(encoding="utf-8"))

    # Whatever comes from a run is escaped; only our own files and the escaped data are not.
    environment = Environment(
        loader=PackageLoader("contragan.report", "assets"), autoescape=True, trim_blocks=True
    )
    page = environment.get_template("page.html").render(
        **context | {"data": Markup(context["data"])}, asset=asset
    )
    # A path may hold bytes that are not text.
    write_text(out, page.encode("utf-8", "backslashreplace").decode())
