"""Scores and loss terms over iterations, one panel for each and one line for each run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contragan.analysis.figures import colours, name_legend, run_titles
from contragan.core.errors import UserError
from contragan.core.words import counted
from contragan.evaluation.quantities import SECTIONS, is_part, quantity_title, section
from contragan.evaluation.record import EvaluationRecord, todays_name
from contragan.runs.log import RECORD, read_metrics, with_origin
from contragan.runs.run import open_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

CSV_HEADER = ("run", "iteration", "quantity", "value", "title", "recorded_by")

SHOWN = tuple(
    one
    for one in SECTIONS
    if one not in {"Authenticity accuracies", "Singular values", "Throughput", "Other records"}
)
"""Sections that are drawn. The others are a matter of ``contragan plot stability`` and reports."""

HOLLOW: dict[str, Any] = {
    "marker": "D",
    "markersize": 6,
    "linestyle": "",
    "markerfacecolor": "none",
    "markeredgewidth": 1.5,
}
"""How scores are drawn that were recorded after training."""

ACROSS = 4
"""Panels in a row."""

Curve = tuple[list[int], list[float]]


LATER = "contragan evaluate"
"""What records scores after training, under protocols of its own."""


@dataclass(frozen=True)
class LaterScore:
    """One score that ``contragan evaluate`` recorded; ``title`` names its features."""

    name: str
    title: str
    iteration: int
    value: float


@dataclass(frozen=True)
class RunCurves:
    """One run's quantities: name in the log -> iterations and values, and the names' titles.

    ``later`` are scores that were recorded after training.
    """

    title: str
    curves: dict[str, Curve]
    titles: dict[str, str]
    later: tuple[LaterScore, ...] = ()

    def rows(self) -> Iterator[tuple[str, int, str, float, str, str]]:
        """Every point as a row of :data:`CSV_HEADER`."""
        for name, (steps, values) in self.curves.items():
            for step, value in zip(steps, values, strict=True):
                yield self.title, step, name, value, self.titles[name], "training"
        for one in self.later:
            yield self.title, one.iteration, one.name, one.value, one.title, LATER

    def summary(self) -> str:
        """How much there is, in one line."""
        scores = sum(name.startswith("evaluation/") for name in self.curves)
        terms = len(self.curves) - scores
        counts = [(scores, "score"), (terms, "loss term")]
        said = [counted(count, what) for count, what in counts if count]
        last = max((steps[-1] for steps, _ in self.curves.values()), default=None)
        line = f"{self.title}: {' and '.join(said)} to iteration {last:,}" if said else self.title
        if said and not scores:
            line += "; without scores, for it was not evaluated in training"
        if self.later:
            line += f"; {counted(len(self.later), 'score')} of {LATER}, with protocols of their own"
        return line


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
    training: list[dict[str, Any]] = []
    evaluated: list[dict[str, Any]] = []  # later, by contragan evaluate
    for record, own in with_origin(read_metrics(log) if log.is_file() else []):
        (evaluated if record["name"] == RECORD and not own else training).append(record)
    evaluation = next(filter(None, map(_evaluation, training)), None)
    curves: dict[str, Curve] = {}
    for record in training:
        name, value = record["name"], record.get("value")
        if section(name)[0] not in SHOWN or is_part(name) or not isinstance(value, int | float):
            continue
        if evaluation is not None:
            name = todays_name(name, evaluation.protocol["extractor"]["extractor"])
        steps, values = curves.setdefault(name, ([], []))
        steps.append(record["step"])
        values.append(float(value))
    later = [one for record in evaluated for one in _later_scores(record)]
    if not curves and not later:
        raise UserError(f"the run in {path} has recorded nothing yet: {log} holds no scores")

    def is_kept(name: str) -> bool:
        return not only or any(part in name for part in only)

    kept = {name: curve for name, curve in curves.items() if is_kept(name)}
    kept_later = tuple(one for one in later if is_kept(one.name))
    if not kept and not kept_later:
        there = ", ".join(dict.fromkeys([*curves, *(one.name for one in later)]))
        raise UserError(f"the run in {path} has no quantity like {', '.join(only)}; it has {there}")
    titles = {name: quantity_title(name, evaluation) for name in kept}
    return RunCurves(title, kept, titles, kept_later)


def _evaluation(record: dict[str, Any]) -> EvaluationRecord | None:
    """An evaluation, which says what features its scores are of; None of another record."""
    if record["name"] != RECORD:
        return None
    try:
        return EvaluationRecord.from_dict(record)
    except (TypeError, ValueError):
        return None


def _later_scores(record: dict[str, Any]) -> Iterator[LaterScore]:
    """Every score of a later evaluation; none of one that cannot be read."""
    found = _evaluation(record)
    if found is None:
        return
    features = found.protocol["extractor"]["extractor"]
    for score, value in found.values.items():
        name = todays_name(f"evaluation/{score}", features)
        yield LaterScore(name, quantity_title(name, found), record["step"], value)


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
    """Which colour is which run, and what later scores look like, below the figure."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, linewidth=2) for colour in colours(len(runs))]
    names = [run.title for run in runs]
    if any(run.later for run in runs):
        handles.append(Line2D([], [], color="0.4", **HOLLOW))
        names.append(f"{LATER}, with protocols of its own")
    across = 1 if max(map(len, names)) > 45 else min(3, len(names))
    name_legend(
        figure,
        handles,
        names,
        loc="outside lower center",
        ncols=across,
        frameon=False,
    )


def panel_titles(runs: Sequence[RunCurves]) -> list[str]:
    """Titles of all quantities, in the order of a report's sections."""
    found = {title: name for run in runs for name, title in run.titles.items()}
    found |= {one.title: one.name for run in runs for one in run.later}
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
        later = [(one.iteration, one.value) for one in run.later if one.title == title]
        if later:
            panel.plot(*zip(*later, strict=True), color=colour, **HOLLOW)
    if is_distance and 0 < lowest * 10 < highest:
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter("{x:g}")
    panel.set_title(title, fontsize="medium")
    panel.set_xlim(left=0)
    panel.grid(alpha=0.25)
    panel.tick_params(labelsize="small")
    panel.set_xlabel("iteration", fontsize="small")
    panel.locator_params(axis="x", integer=True)
