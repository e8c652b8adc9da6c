"""Scores class by class, worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from contragan.analysis.evaluated import Evaluated, read_evaluated
from contragan.analysis.figures import as_written, colours, name_legend, name_ticks
from contragan.core.errors import UserError
from contragan.evaluation.by_class import COUNTS, columns_by_class, order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CSV_HEADER = ("run", "iteration", "class", "score", "value")

MOST_CLASSES = 50

REAL = {"accuracy": "on real images", "precision": "real precision", "recall": "real recall"}
"""Scores that real images have too, and the titles of theirs."""


@dataclass(frozen=True)
class ClassScores:
    """One evaluation's scores: title of a score -> class -> value, None where it is unknown."""

    title: str
    iteration: int
    columns: dict[str, dict[str, float | None]]

    @property
    def worst_first(self) -> list[str]:
        """Class names in the order of :func:`contragan.evaluation.by_class.order`."""
        return order(self.columns)[2]

    def rows(self) -> Iterator[tuple[str, int, str, str, float]]:
        """Every known value as a row of :data:`CSV_HEADER`."""
        for name in self.worst_first:
            for column, values in self.columns.items():
                value = values.get(name)
                if value is not None:
                    yield self.title, self.iteration, name, column, value

    def summary(self) -> str:
        """The worst class, in one line."""
        worst = self.worst_first[0]
        said = ", ".join(
            f"{column} {value:.3g}"
            for column, values in self.columns.items()
            if _is_score(column) and (value := values.get(worst)) is not None
        )
        return f"{self.title}, iteration {self.iteration:,}: worst class {worst} ({said})"


def read_classes(
    folders: Sequence[Path], *, which: Literal["best", "last"] = "best"
) -> list[ClassScores]:
    """The scores by class of runs, at their best or last evaluation that has any.

    Raises:
        UserError: no run, one never evaluated, without scores by class, or trained without labels.
    """
    found = read_evaluated(folders, which, has=_has_classes)
    return [ClassScores(run.title, run.iteration, columns_by_class(run.record)) for run in found]


def _has_classes(run: Evaluated) -> None:
    if (run.record.class_fidelity or {}).get("conditional") is False:
        raise UserError(
            f"the run in {run.path} was trained without labels: it has no scores by class"
        )
    if not any(map(_is_score, columns_by_class(run.record))):
        raise UserError(
            f"the evaluations of the run in {run.path} have no scores by class: run `contragan "
            f"evaluate {run.path} --metrics class_fidelity,intra_class_distance`"
        )


def draw_classes(runs: Sequence[ClassScores]) -> Figure:
    """One panel for each score, one row for each class, one dot for each run.

    Classes are in the order of the first run, the worst on top. A bar marks the same score
    of real images. Counts of images have no panel. Of more than 50 classes the worst 50 are shown.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    names = list(dict.fromkeys(name for run in runs for name in run.worst_first))
    shown = names[:MOST_CLASSES]
    titles = list(dict.fromkeys(title for run in runs for title in run.columns if _is_score(title)))
    height = 0.24 * len(shown) * (1 + 0.12 * (len(runs) - 1)) + 1.6
    figure = Figure(figsize=(1.6 + 2.9 * len(titles), height), layout="constrained")
    panels = figure.subplots(1, len(titles), squeeze=False, sharey=True)[0]
    for title, panel in zip(titles, panels, strict=True):
        _panel(panel, runs, title, shown)
    name_ticks(panels[0].yaxis, shown, fontsize=9)
    panels[0].invert_yaxis()
    palette = colours(len(runs))
    handles = [Line2D([], [], marker="o", linestyle="", color=colour) for colour in palette]
    said = [f"{run.title}, iteration {run.iteration:,}" for run in runs]
    if any(REAL.get(title) in run.columns for title in titles for run in runs):
        handles.append(Line2D([], [], marker="|", markersize=11, linestyle="", color="black"))
        said.append("real images")
    name_legend(figure, handles, said, loc="outside lower center", frameon=False)
    if len(shown) < len(names):
        note = f"the worst {len(shown)} of {len(names)} classes"
        as_written(figure.suptitle(note, fontsize="medium"))
    return figure


def _panel(panel: Axes, runs: Sequence[ClassScores], title: str, shown: Sequence[str]) -> None:
    palette = colours(len(runs))
    step = 0.5 / len(runs)
    for place, run in enumerate(runs):
        values = run.columns.get(title, {})
        known = [(v, row) for row, name in enumerate(shown) if (v := values.get(name)) is not None]
        heights = [row + (place - (len(runs) - 1) / 2) * step for _, row in known]
        panel.plot([v for v, _ in known], heights, "o", color=palette[place], markersize=5)
    if title in REAL:
        real = next((run.columns[REAL[title]] for run in runs if REAL[title] in run.columns), {})
        bars = [(v, row) for row, name in enumerate(shown) if (v := real.get(name)) is not None]
        panel.plot([v for v, _ in bars], [row for _, row in bars], "k|", markersize=11)
    panel.set_xlabel(_label(title))
    panel.set_xlim(left=0)
    panel.grid(axis="x", alpha=0.25)
    for row in range(1, len(shown), 2):
        panel.axhspan(row - 0.5, row + 0.5, color="0.95", zorder=0, linewidth=0)
    panel.set_ylim(-0.5, len(shown) - 0.5)


def _is_score(title: str) -> bool:
    """Whether a column has a panel: not counts of images, nor what stands as a bar in another."""
    return title not in COUNTS and title not in REAL.values()


def _label(title: str) -> str:
    if "distance" in title:
        return f"{title}\n(lower is better)"
    return f"{title}\n(higher is better)" if title in REAL else title
