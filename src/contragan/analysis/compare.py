"""Two or more runs in one picture: their images by class, and their main scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from contragan.analysis.curves import RunCurves, panel_titles, read_curves, show_curves
from contragan.analysis.grid import USUAL_CLASSES, ImageGrid, grids_size, image_grid, show_grids
from contragan.analysis.loaded import load_titled
from contragan.core.console import note
from contragan.core.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCORES = (
    "frechet_distance",
    "class_accuracy",
    "intra_class_distance_mean",
    "recall",
    "precision",
    "kernel_distance",
)
"""Scores that are drawn, up to four of those that the runs have, the first ones first."""

MOST_CURVES = 4

ACROSS = 20
"""Images beside each other, of all runs together."""


@dataclass(frozen=True)
class Comparison:
    """Runs side by side: a grid and curves of each, in the same order."""

    grids: list[ImageGrid]
    curves: list[RunCurves]


def read_comparison(
    folders: Sequence[Path],
    console: Console,
    *,
    classes: Sequence[str] = (),
    columns: int | None = None,
    which: str = "best",
    seed: int = 0,
    device: str = "cpu",
) -> Comparison:
    """Grids from the same latents, and curves, of two or more runs.

    The curves are the main scores; of a run that was not evaluated in training, loss terms. All
    grids together are about twenty images wide, unless ``columns`` says how many each one is.

    Raises:
        UserError: fewer than two runs, no checkpoint, or nothing in common to compare by class.
    """
    if len(folders) < 2:
        raise UserError("a comparison needs two runs or more: name another, or plot a grid")
    curves = read_curves(folders)
    loaded = load_titled(folders, console, which=which, device=device)
    first, *others = [model for model, _ in loaded if model.run.recipe.generator.conditional] or [
        loaded[0][0]
    ]
    for model in others:
        if set(model.class_names) != set(first.class_names):
            raise UserError(
                f"{first.run.path} and {model.run.path} have other classes, which cannot be set "
                "side by side: plot a grid of each"
            )
    if not classes and len(first.class_names) > USUAL_CLASSES:
        left_out = len(first.class_names) - USUAL_CLASSES
        note(console, f"note: {left_out} classes are left out: name others as --classes")
    # By name: the runs may have their classes in another order.
    chosen = classes or first.class_names[:USUAL_CLASSES]
    width = columns or max(3, ACROSS // len(loaded))
    grids = [
        image_grid(model, title, console, chosen, width, None, seed) for model, title in loaded
    ]
    return Comparison(grids, [_main(run) for run in curves])


def _main(run: RunCurves) -> RunCurves:
    recorded = run.curves or [one.name for one in run.later]
    names = [f"evaluation/{name}" for name in SCORES if f"evaluation/{name}" in recorded]
    kept = (names or list(recorded))[:MOST_CURVES]
    titles = {name: run.titles[name] for name in kept if name in run.titles}
    later = tuple(
        one
        for one in run.later
        if one.name in kept and one.title in (titles.values() or [one.title])
    )
    return RunCurves(run.title, {name: run.curves[name] for name in titles}, titles, later)


def draw_comparison(comparison: Comparison) -> Figure:
    """Grids on top, side by side, and curves below, one colour for each run."""
    from matplotlib.figure import Figure

    grids, curves = comparison.grids, comparison.curves
    titles = panel_titles(curves)[: 2 * MOST_CURVES]
    width, top = grids_size(grids)
    across = min(MOST_CURVES, len(titles))
    rows = -(-len(titles) // across)
    bottom = 2.4 * rows + 0.5
    width = max(width, 2.6 * across)
    figure = Figure(figsize=(width, top + bottom), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=[top, bottom]).flat
    show_grids(upper, (width, top), grids)
    show_curves(lower, curves, titles, across)
    return figure
