"""Which class a classifier sees in the images asked for as each class, as a heat map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from contragan.analysis.evaluated import Evaluated, read_evaluated
from contragan.analysis.figures import as_written, name_ticks
from contragan.core.errors import UserError
from contragan.evaluation.by_class import faults, marked, matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CSV_HEADER = ("run", "iteration", "asked for", "seen", "images")

MOST_NUMBERS, MOST_NAMES = 20, 60
"""Classes beyond which the cells have no numbers, and the rows no names."""

MARKS: dict[str, tuple[str, Literal["solid", "dashed"]]] = {
    "permuted": ("#d62728", "solid"),
    "merged": ("#ff9900", "dashed"),
}
"""Colour and line of what outlines a cell."""


@dataclass(frozen=True)
class ClassConfusion:
    """One evaluation's matrix: ``counts`` (K, K) of images asked for as a class and seen as one.

    ``marks`` are (class asked for, class seen, "permuted" or "merged"), ``says`` one sentence for
    each kind of fault.
    """

    title: str
    iteration: int
    class_names: tuple[str, ...]
    counts: np.ndarray
    marks: tuple[tuple[str, str, str], ...]
    says: tuple[str, ...]

    def rows(self) -> Iterator[tuple[str, int, str, str, int]]:
        """Every cell as a row of :data:`CSV_HEADER`."""
        for asked, row in zip(self.class_names, self.counts.tolist(), strict=True):
            for seen, count in zip(self.class_names, row, strict=True):
                yield self.title, self.iteration, asked, seen, count

    def summary(self) -> str:
        """What is wrong with the classes, in one line."""
        return f"{self.title}, iteration {self.iteration:,}: {' '.join(self.says)}"


def read_confusion(
    folders: Sequence[Path], *, which: Literal["best", "last"] = "best"
) -> list[ClassConfusion]:
    """The class confusion of runs, at their best or last evaluation that measured it.

    Raises:
        UserError: no run, one never evaluated, without class_fidelity, or trained without labels.
    """
    return [_confusion(run) for run in read_evaluated(folders, which, has=_has_matrix)]


def _has_matrix(run: Evaluated) -> None:
    fidelity: dict[str, Any] = run.record.class_fidelity or {}
    if fidelity.get("conditional") is False:
        raise UserError(
            f"the run in {run.path} was trained without labels: its classes mean nothing, and "
            "have no confusion to draw"
        )
    if matrix(run.record) is None:
        raise UserError(
            f"the evaluations of the run in {run.path} have no class_fidelity: run "
            f"`contragan evaluate {run.path} --metrics class_fidelity`"
        )


def _confusion(run: Evaluated) -> ClassConfusion:
    fidelity: dict[str, Any] = run.record.class_fidelity or {}
    return ClassConfusion(
        title=run.title,
        iteration=run.iteration,
        class_names=tuple(fidelity["class_accuracy"]),
        counts=np.asarray(matrix(run.record)),
        marks=tuple(marked(fidelity)),
        says=tuple(faults(fidelity)),
    )


def draw_confusion(confusions: Sequence[ClassConfusion]) -> Figure:
    """A heat map for each run, in percent of the images asked for as each class.

    A solid outline marks where a permuted class went, a dashed one which class merged ones show.
    """
    from matplotlib.figure import Figure

    side = [_side(one) for one in confusions]
    figure = Figure(figsize=(sum(side) + 0.6, max(side) + 0.7), layout="constrained")
    panels = figure.subplots(1, len(confusions), squeeze=False, width_ratios=side)[0]
    drawn = [_panel(panel, one) for one, panel in zip(confusions, panels, strict=True)]
    figure.colorbar(drawn[0], ax=list(panels), label="percent of the images asked for", shrink=0.7)
    _legend(figure, {kind for one in confusions for _, _, kind in one.marks})
    return figure


def _side(one: ClassConfusion) -> float:
    return float(np.clip(0.42 * len(one.class_names) + 1.6, 4.6, 12))


def _panel(panel: Axes, one: ClassConfusion) -> Any:
    names, size = one.class_names, len(one.class_names)
    totals = one.counts.sum(1, keepdims=True)
    percent = 100 * one.counts / np.maximum(totals, 1)
    drawn = panel.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    if size <= MOST_NUMBERS:
        for (row, column), value in np.ndenumerate(percent):
            if one.counts[row, column]:
                colour = "white" if value > 55 else "black"
                panel.text(
                    column, row, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=8
                )
    for asked, seen, kind in one.marks:
        if asked in names and seen in names:
            _outline(panel, names.index(seen), names.index(asked), kind)
    if size <= MOST_NAMES:
        name_ticks(panel.xaxis, names, rotation=90, fontsize=8)
        name_ticks(panel.yaxis, names, fontsize=8)
    panel.set_xlabel("class that the probe sees")
    panel.set_ylabel("class asked for")
    as_written(panel.set_title(f"{one.title}\niteration {one.iteration:,}", fontsize="medium"))
    return drawn


def _outline(panel: Axes, column: int, row: int, kind: str) -> None:
    from matplotlib.patches import Rectangle

    colour, line = MARKS[kind]
    inset = 0.44 if kind == "permuted" else 0.36  # both kinds may mark one cell
    panel.add_patch(
        Rectangle(
            (column - inset, row - inset),
            2 * inset,
            2 * inset,
            fill=False,
            edgecolor=colour,
            linestyle=line,
            linewidth=2,
        )
    )


def _legend(figure: Figure, kinds: set[str]) -> None:
    from matplotlib.patches import Patch

    says = {
        "permuted": "permuted: the class's images show this other class",
        "merged": "merged: several classes show this one",
    }
    handles = [
        Patch(fill=False, edgecolor=colour, linestyle=line, linewidth=2, label=says[kind])
        for kind, (colour, line) in MARKS.items()
        if kind in kinds
    ]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
