"""Images by class, of one run or of several side by side, from the same latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console

from contragan.analysis.figures import as_written
from contragan.analysis.loaded import chosen_classes, load_titled
from contragan.analysis.montage import CELL, Cells, label_width, show_montage
from contragan.runs.model import Model
from contragan.runs.sampling import require_memory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
        UserError: no run, no checkpoint, or unknown classes.
    """
    return [
        image_grid(model, title, console, classes, columns, truncation, seed)
        for model, title in load_titled(paths, console, which=which, device=device)
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
    """The grid of one model."""
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

    widths = grid_widths(grids)
    height = CELL * max(len(grid.images) for grid in grids) + 0.6
    figure = Figure(figsize=(sum(widths), height), layout="constrained")
    panels = figure.subplots(1, len(grids), squeeze=False, width_ratios=widths)[0]
    show_grids(panels, grids)
    return figure


def grid_widths(grids: Sequence[ImageGrid]) -> list[float]:
    """Inches that each grid takes, its names included."""
    shared = len({grid.row_names for grid in grids}) == 1
    return [
        CELL * grid.images.shape[1]
        + 0.3
        + (label_width(grid.row_names) if not shared or index == 0 else 0)
        for index, grid in enumerate(grids)
    ]


def show_grids(panels: Sequence[Axes], grids: Sequence[ImageGrid]) -> None:
    """Draw each grid into its panel."""
    shared = len({grid.row_names for grid in grids}) == 1
    for index, (panel, grid) in enumerate(zip(panels, grids, strict=True)):
        names = grid.row_names if not shared or index == 0 else ("",) * len(grid.row_names)
        show_montage(panel, grid.images, names)
        title, comma, iteration = grid.title.partition(", iteration")
        broken = f"{title}\n{comma[2:]}{iteration}" if iteration else title
        as_written(panel.set_title(broken, fontsize="medium", loc="left"))
