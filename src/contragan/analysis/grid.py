"""Images by class, of one run or of several side by side, from the same latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console

from contragan.analysis.loaded import chosen_classes, load_titled, sees_labels
from contragan.analysis.montage import (
    CELL,
    Cells,
    add_montage,
    label_width,
    title_height,
    title_lines,
)
from contragan.runs.model import Model
from contragan.runs.sampling import require_memory

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

USUAL_CLASSES, MOST_CLASSES = 20, 100
"""Classes shown where none are named, and the most."""

ROWS_WITHOUT_LABELS = 5


@dataclass(frozen=True)
class ImageGrid:
    """Images (R, C, channels, H, W) uint8 with one row for each class.

    ``row_names`` are empty strings where the generator was trained without labels.
    """

    title: str
    row_names: tuple[str, ...]
    images: Cells


def read_grids(
    paths: Sequence[Path],
    console: Console,
    *,
    classes: Sequence[str] = (),
    columns: int = 10,
    which: str = "best",
    truncation: float | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> list[ImageGrid]:
    """Grids of runs or checkpoints. All images of a column come from one latent.

    Of a generator that was trained without labels there are five rows of images, without names.

    Args:
        paths: run folders, or checkpoints in them.
        console: where it is said what is left out.
        classes: names or indices; none of them: the first twenty.
        columns: images of each class.
        which: the checkpoint of a run: ``"best"`` or ``"last"``.
        truncation: redraw latent coordinates beyond this.
        seed: of the latents; the same for all runs.
        device: where the generators run.

    Raises:
        UserError: no run, no checkpoint, or classes that are unknown or mean nothing.
    """
    loaded = load_titled(paths, console, which=which, device=device)
    for model, title in loaded:
        sees_labels(model, title, classes)
    return [
        image_grid(model, title, console, classes, columns, truncation, seed)
        for model, title in loaded
    ]


def image_grid(
    model: Model,
    title: str,
    console: Console,
    classes: Sequence[str],
    columns: int,
    truncation: float | None,
    seed: int,
) -> ImageGrid:
    """The grid of one model; one without labels has no classes to choose from."""
    labelled = model.run.recipe.generator.conditional
    if labelled:
        chosen = chosen_classes(model, classes, console, usual=USUAL_CLASSES, most=MOST_CLASSES)
        names = tuple(model.class_names[index] for index in chosen)
    else:
        chosen = [0] * ROWS_WITHOUT_LABELS
        names = ("",) * ROWS_WITHOUT_LABELS
    require_memory(len(chosen) * columns, 2 * model.image_bytes, "pixels")
    each = columns if labelled else columns * len(chosen)
    latents = model.latents(each, seed=seed, truncation=truncation)
    latents = latents.repeat(len(chosen), 1) if labelled else latents
    labels = torch.tensor(chosen).repeat_interleave(columns)
    images = model.generate(latents, labels)
    said = title if truncation is None else f"{title}, truncation {truncation:g}"
    return ImageGrid(said, names, images.view(len(chosen), columns, *images.shape[1:]).numpy())


def draw_grids(grids: Sequence[ImageGrid]) -> Figure:
    """The grids side by side, each under its title; a class has one row, and its name to the left.

    Names stand beside the first grid only, where all have the same classes.
    """
    from matplotlib.figure import Figure

    size = grids_size(grids)
    figure = Figure(figsize=size)
    show_grids(figure, size, grids)
    return figure


def grids_size(grids: Sequence[ImageGrid]) -> tuple[float, float]:
    """Width and height, in inches, of the grids with their names and titles."""
    places = _places(grids)
    last, (left, top, _) = grids[-1], places[-1]
    return left + _width(last) + 0.15, top + CELL * max(len(g.images) for g in grids) + 0.1


def show_grids(
    place: Figure | SubFigure, size: tuple[float, float], grids: Sequence[ImageGrid]
) -> None:
    """Draw the grids from the upper left corner of a figure of ``size`` inches."""
    shared = len({grid.row_names for grid in grids}) == 1
    for index, (grid, (left, top, title)) in enumerate(zip(grids, _places(grids), strict=True)):
        names = grid.row_names if not shared or index == 0 else ("",) * len(grid.row_names)
        add_montage(place, size, (left, top), grid.images, names, title)


def _places(grids: Sequence[ImageGrid]) -> list[tuple[float, float, str]]:
    """Left edge and top of each grid's images, and its title in lines."""
    shared = len({grid.row_names for grid in grids}) == 1
    titles = [title_lines(grid.title, _width(grid)) for grid in grids]
    top = max(map(title_height, titles)) + 0.05
    places, x = [], 0.0
    for index, (grid, title) in enumerate(zip(grids, titles, strict=True)):
        x += label_width(grid.row_names) if not shared or index == 0 else 0.1
        places.append((x + 0.05, top, title))
        x += _width(grid) + 0.2
    return places


def _width(grid: ImageGrid) -> float:
    return max(CELL * int(grid.images.shape[1]), 1.6)
