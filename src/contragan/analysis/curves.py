"""Scores and loss terms over iterations, one panel for each and one line for each run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contragan.analysis.figures import colours, name_legend, run_titles
from contragan.core.errors import UserError
from contragan.evaluation.quantities import SECTIONS, is_part, quantity_title, section
from contragan.evaluation.record import EvaluationRecord, todays_name
from contragan.runs.log import read_metrics
from contragan.runs.run import open_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

CSV_HEADER = ("run", "iteration", "quantity", "value")

SHOWN = tuple(
    one
    for one in SECTIONS
    if one not in {"Authenticity accuracies", "Singular values", "Throughput", "Other records"}
)
"""Sections that are drawn. The others are a matter of ``contragan plot stability`` and reports."""

ACROSS = 4
"""Panels in a row."""

Curve = tuple[list[int], list[float]]


@dataclass(frozen=True)
class RunCurves:
    """One run's quantities: name in the log -> iterations and values, and the names' titles."""

    title: str
    curves: dict[str, Curve]
    titles: dict[str, str]

    def rows(self) -> Iterator[tuple[str, int, str, float]]:
        """Every point as a row of :data:`CSV_HEADER`."""
        for name, (steps, values) in self.curves.items():
            for step, value in zip(steps, values, strict=True):
                yield self.title, step, name, value

    def summary(self) -> str:
        """How much there is, in one line."""
        scores = sum(name.startswith("evaluation/") for name in self.curves)
        terms = len(self.curves) - scores
        counts = [(scores, "score"), (terms, "loss term")]
        said = [f"{count} {what}{'s' * (count > 1)}" for count, what in counts if count]
        last = max(steps[-1] for steps, _ in self.curves.values())
        line = f"{self.title}: {' and '.join(said)} to iteration {last:,}"
        return line if scores else f"{line}; without scores, for it was not evaluated in training"


def read_curves(folders: Sequence[Path], *, only: Sequence[str] = ()) -> list[RunCurves]:
    """The scores and loss terms of runs.

    Args:
        folders: the runs.
        only: names of quantities to keep, or parts of them: ``frechet``, ``d/``; none: all.

    Raises:
        UserError: no run, a damaged log, one without such quantities, or a run named twice.
    """
    places = [folder.resolve() for folder in folders]
    for place in places:
        if places.count(place) > 1:
            raise UserError(f"{place} was named twice: name every run once")
    runs = [open_run(folder) for folder in folders]
    return [
        _curves(run.path, title, only) for run, title in zip(runs, run_titles(runs), strict=True)
    ]


def _curves(path: Path, title: str, only: Sequence[str]) -> RunCurves:
    log = path / "metrics.jsonl"
    records = read_metrics(log) if log.is_file() else []
    evaluation = _evaluation(records)
    curves: dict[str, Curve] = {}
    for record in records:
        name, value = record["name"], record.get("value")
        if section(name)[0] not in SHOWN or is_part(name) or not isinstance(value, int | float):
            continue
        if evaluation is not None:
            name = todays_name(name, evaluation.protocol["extractor"]["extractor"])
        steps, values = curves.setdefault(name, ([], []))
        steps.append(record["step"])
        values.append(float(value))
    if not curves:
        raise UserError(f"the run in {path} has recorded nothing yet: {log} holds no scores")
    kept = {n: c for n, c in curves.items() if not only or any(part in n for part in only)}
    if not kept:
        there = ", ".join(curves)
        raise UserError(f"the run in {path} has no quantity like {', '.join(only)}; it has {there}")
    return RunCurves(title, kept, {name: quantity_title(name, evaluation) for name in kept})


def _evaluation(records: Sequence[dict[str, object]]) -> EvaluationRecord | None:
    """An evaluation of the run, which says what features its scores are of."""
    for record in records:
        if record["name"] == "evaluation":
            try:
                found = EvaluationRecord.from_dict(record)
                found.protocol["extractor"]["extractor"], found.values
            except (KeyError, TypeError, AttributeError):
                continue
            return found
    return None


def draw_curves(runs: Sequence[RunCurves]) -> Figure:
    """One panel for each quantity, scores first; each run has a colour.

    Scores of different features have panels of their own. Distances that fall by more than ten
    times are drawn on a logarithmic axis.
    """
    from matplotlib.figure import Figure

    titles = panel_titles(runs)
    rows = -(-len(titles) // ACROSS)
    across = min(ACROSS, len(titles))
    figure = Figure(figsize=(3.3 * max(2, across), 2.5 * rows + 0.5), layout="constrained")
    show_curves(figure, runs, titles, across)
    return figure


def show_curves(
    place: Figure | SubFigure, runs: Sequence[RunCurves], titles: Sequence[str], across: int
) -> None:
    """Draw one panel for each of these quantities, and which colour is which run below them."""
    panels = place.subplots(-(-len(titles) // across), across, squeeze=False).flat
    for title, panel in zip(titles, panels, strict=False):
        _show_curve(panel, runs, title)
    for panel in list(place.axes)[len(titles) :]:
        panel.set_axis_off()
    _run_legend(place, runs)


def _run_legend(figure: Figure | SubFigure, runs: Sequence[RunCurves]) -> None:
    """Which colour is which run, below the figure."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, linewidth=2) for colour in colours(len(runs))]
    across = 1 if max(len(run.title) for run in runs) > 45 else min(3, len(runs))
    name_legend(
        figure,
        handles,
        [run.title for run in runs],
        loc="outside lower center",
        ncols=across,
        frameon=False,
    )


def panel_titles(runs: Sequence[RunCurves]) -> list[str]:
    """Titles of all quantities, in the order of a report's sections."""
    found = {title: name for run in runs for name, title in run.titles.items()}
    return sorted(found, key=lambda title: SECTIONS.index(section(found[title])[0]))


def _show_curve(panel: Axes, runs: Sequence[RunCurves], title: str) -> None:
    """Draw one quantity of all runs that have it."""
    lowest, highest, is_distance = np.inf, 0.0, False
    for colour, run in zip(colours(len(runs)), runs, strict=True):
        for name in [name for name, shown in run.titles.items() if shown == title]:
            steps, values = run.curves[name]
            is_score = name.startswith("evaluation/")
            panel.plot(
                steps,
                values,
                color=colour,
                linewidth=1.4 if is_score else 0.9,
                marker="o" if is_score else None,
                markersize=3.5,
            )
            finite = np.asarray(values)[np.isfinite(values)]
            is_distance |= section(name)[0] == "Distances"
            lowest = min(lowest, *finite.tolist(), np.inf)
            highest = max(highest, *finite.tolist(), 0.0)
    if is_distance and 0 < lowest * 10 < highest:
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter("{x:g}")
    panel.set_title(title, fontsize="medium")
    panel.set_xlim(left=0)
    panel.grid(alpha=0.25)
    panel.tick_params(labelsize="small")
    panel.set_xlabel("iteration", fontsize="small")
