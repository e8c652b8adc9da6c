"""Training stability as in Figure 3 of the paper, from the logs of any runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from contragan.analysis.figures import as_written, run_titles
from contragan.core.errors import UserError
from contragan.runs.log import read_metrics
from contragan.runs.run import open_run
from contragan.training.guard import Finding, History, first_collapse, overfitted_at
from contragan.training.stability import SETS, SINGULAR_VALUES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CSV_HEADER = ("run", "iteration", "signal", "value")
_SHOWN = {"train": "training", "held_out": "held-out", "generated": "generated"}


@dataclass(frozen=True)
class StabilityCurves:
    """One run's signals over its iterations, and the points that Figure 3 marks.

    ``singular_values`` are by iteration, network ("d" or "g") and layer. ``overfitted`` is where
    D's accuracy on training images is first more than 0.5 above that on held-out ones, ``best`` the
    iteration of the lowest distance, ``collapse`` what the collapse guard would have found first.
    """

    title: str
    history: History
    singular_values: dict[int, dict[str, dict[str, float]]]
    overfitted: int | None
    best: int | None
    collapse: Finding | None

    def curve(self, signal: str) -> tuple[list[int], list[float]]:
        """Iterations and values of a signal, such as ``authenticity_train``."""
        points = {i: s[signal] for i, s in self.history.signals.items() if signal in s}
        return list(points), list(points.values())

    def rows(self) -> Iterator[tuple[str, int, str, float]]:
        """Everything as rows of :data:`CSV_HEADER`; a marked point has the value 1."""
        for iteration, signals in self.history.signals.items():
            for name, value in signals.items():
                yield self.title, iteration, name, value
        for iteration, networks in self.singular_values.items():
            for network, layers in networks.items():
                for layer, value in layers.items():
                    yield self.title, iteration, f"singular_value/{network}/{layer}", value
        for iteration, distance in self.history.distances.items():
            yield self.title, iteration, "frechet_distance", distance
        collapse = None if self.collapse is None else self.collapse.iteration
        marks = {"overfitted": self.overfitted, "best": self.best, "collapse": collapse}
        for name, marked in marks.items():
            if marked is not None:
                yield self.title, marked, f"point/{name}", 1.0

    def summary(self) -> str:
        """The marked points in one line."""
        best = (
            "never evaluated"
            if self.best is None
            else f"best at {self.best} (distance {self.history.distances[self.best]:.4g})"
        )
        over = "never" if self.overfitted is None else f"at {self.overfitted}"
        if not any("authenticity_train" in s for s in self.history.signals.values()):
            over = "unknown (its loss has no boundary between real and generated)"
        fell = "not collapsed"
        if self.collapse is not None:
            fell = f"collapsed at {self.collapse.iteration}: {self.collapse.says}"
        return f"{self.title}: D overfitted {over}; {best}; {fell}"


def read_stability(folders: Sequence[Path]) -> list[StabilityCurves]:
    """The curves of runs, from their folders alone.

    Raises:
        UserError: a folder holds no run, or its run logged no signals.
    """
    runs = [open_run(folder) for folder in folders]
    curves = []
    for run, title in zip(runs, run_titles(runs), strict=True):
        log = run.path / "metrics.jsonl"
        records = read_metrics(log) if log.is_file() else []
        history = History.of(records)
        if not history.signals:
            raise UserError(
                f"the run in {run.path} has no signals of stability in its log: train it with "
                "--set training.stability_every_iterations=100"
            )
        values = {
            record["step"]: {network: record[network] for network in ("d", "g")}
            for record in records
            if record["name"] == SINGULAR_VALUES
        }
        distances = history.distances
        curves.append(
            StabilityCurves(
                title=title,
                history=history,
                singular_values=values,
                overfitted=overfitted_at(history),
                best=min(distances, key=distances.__getitem__) if distances else None,
                collapse=first_collapse(history),
            )
        )
    return curves


def draw_stability(curves: Sequence[StabilityCurves]) -> Figure:
    """Figure 3 for any runs: a row of three panels for each.

    Authenticity accuracies, the Fréchet distance, and the largest singular value of each of D's
    convolutions and linear layers. A solid line marks where D has overfitted, a dotted one the best
    iteration, a dashed one the collapse.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.1 * len(curves) + 0.4), layout="constrained")
    panels = figure.subplots(len(curves), 3, squeeze=False, sharey="col")
    for run, row in zip(curves, panels, strict=True):
        _accuracies(row[0], run)
        _distance(row[1], run)
        _singular_values(row[2], run)
        as_written(row[1].set_title(run.title, fontweight="bold"))
        for panel in row:
            _points(panel, run)
            panel.set_xlim(0, 1.02 * max([*run.history.signals, *run.history.distances]))
            panel.set_xlabel("iteration")
            panel.locator_params(axis="x", integer=True)
            panel.grid(alpha=0.25)
    _legend(figure)
    return figure


def _accuracies(panel: Axes, run: StabilityCurves) -> None:
    panel.set_ylabel("authenticity accuracy of D")
    panel.set_ylim(-0.03, 1.03)
    for name in SETS:
        iterations, values = run.curve(f"authenticity_{name}")
        if values:
            panel.plot(iterations, values, label=_SHOWN[name], linewidth=1.4)
    if panel.lines:
        panel.legend(
            loc="lower left", bbox_to_anchor=(0, 1), fontsize="small", ncols=3, frameon=False
        )
    else:
        _say(panel, "this loss has no boundary\nbetween real and generated")


def _distance(panel: Axes, run: StabilityCurves) -> None:
    from matplotlib.ticker import LogLocator

    panel.set_ylabel("Fréchet distance")
    distances = run.history.distances
    if distances:
        panel.plot(list(distances), list(distances.values()), "o-", markersize=3, color="C3")
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5, 7)))
        panel.yaxis.set_minor_formatter("{x:g}")
    else:
        _say(panel, "never evaluated")


def _singular_values(panel: Axes, run: StabilityCurves) -> None:
    from matplotlib import colormaps

    panel.set_ylabel("largest singular values of D")
    layers = list(next(iter(run.singular_values.values()))["d"]) if run.singular_values else []
    for index, layer in enumerate(layers):
        iterations = [i for i, found in run.singular_values.items() if layer in found["d"]]
        values = [run.singular_values[i]["d"][layer] for i in iterations]
        colour = colormaps["viridis"](index / max(1, len(layers) - 1) * 0.92)
        short = layer.removeprefix("trunk.")
        panel.plot(iterations, values, color=colour, linewidth=1.1, label=short)
    if layers:
        panel.legend(
            loc="center left",
            bbox_to_anchor=(1.01, 0.5),
            fontsize=6,
            ncols=1 + (len(layers) - 1) // 20,
            frameon=False,
        )


STYLES: dict[str, Literal["solid", "dotted", "dashed"]] = {
    "overfitted": "solid",
    "best": "dotted",
    "collapse": "dashed",
}


def _points(panel: Axes, run: StabilityCurves) -> None:
    collapse = None if run.collapse is None else run.collapse.iteration
    marks = {"overfitted": run.overfitted, "best": run.best, "collapse": collapse}
    for name, iteration in marks.items():
        if iteration is not None:
            panel.axvline(iteration, color="black", linestyle=STYLES[name], linewidth=1.1)


def _say(panel: Axes, text: str) -> None:
    panel.text(0.5, 0.5, text, ha="center", va="center", transform=panel.transAxes)


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    says = {
        "overfitted": "training minus held-out accuracy first above 0.5",
        "best": "best distance",
        "collapse": "collapse",
    }
    lines = [
        Line2D([], [], color="black", linestyle=STYLES[name], label=says[name]) for name in says
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=3, frameon=False)
