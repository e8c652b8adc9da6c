"""Paths between images: from latent to latent, and from class to class with the latent held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from torch import Tensor

from contragan.analysis.figures import as_written
from contragan.analysis.loaded import chosen_classes, load_titled, sees_labels
from contragan.analysis.montage import (
    CELL,
    TITLE_SIZE,
    Cells,
    add_montage,
    label_width,
    text_width,
)
from contragan.runs.between import Between, paths_between
from contragan.runs.between import Paths as BetweenPaths

if TYPE_CHECKING:
    from matplotlib.figure import Figure

USUAL_CLASSES, MOST_CLASSES = 4, 20
"""Classes shown where none are named, and the most."""


@dataclass(frozen=True)
class Paths:
    """Rows of images (R, S, channels, H, W) uint8, each one path of S steps, with its name.

    ``what`` says what changes along them: the latent, or the class.
    """

    what: str
    row_names: tuple[str, ...]
    images: Cells


@dataclass(frozen=True)
class Interpolation:
    """One model's paths; ``between_classes`` is None where there is one class, or no labels."""

    title: str
    between_latents: Paths
    between_classes: Paths | None

    @property
    def parts(self) -> list[Paths]:
        return [self.between_latents, *filter(None, [self.between_classes])]


def read_interpolation(
    path: Path,
    console: Console,
    *,
    classes: Sequence[str] = (),
    steps: int = 10,
    which: str = "best",
    truncation: float | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> Interpolation:
    """Paths of a run or a checkpoint.

    In each class one path leads from the first latent of the seed to the second; the first latent
    is then held, and the label goes from each class to the next, its weights in equal steps. Of a
    generator that was trained without labels there are four paths between latents.

    Args:
        path: a run's folder, or a checkpoint in it.
        console: where it is said what is left out.
        classes: names or indices, in the order of the paths; none of them: the first four.
        steps: images of a path, both ends among them.
        which: the checkpoint of a run: ``"best"`` or ``"last"``.
        truncation: redraw latent coordinates beyond this.
        seed: of the latents.
        device: where the generator runs.

    Raises:
        UserError: no run, no checkpoint, or unknown classes.
    """
    ((model, title),) = load_titled([path], console, which=which, device=device)
    labelled = sees_labels(model, title, classes)
    chosen = [0]
    if labelled:
        chosen = chosen_classes(model, classes, console, usual=USUAL_CLASSES, most=MOST_CLASSES)
    rows = 1 if labelled else USUAL_CLASSES

    def between(kind: Between, classes: Sequence[int]) -> BetweenPaths:
        return paths_between(
            model, kind, classes, rows=rows, steps=steps, seed=seed, truncation=truncation
        )

    found = between("latents", chosen)
    names = [found.names[row] for row in found.rows[::steps].tolist()]
    what = "from one latent to another" + (", class held" if labelled else "")
    latents = Paths(what, tuple(names), _in_rows([found.images], steps))
    if not labelled or len(chosen) < 2:
        return Interpolation(title, latents, None)
    mixed = [between("classes", pair) for pair in pairwise(chosen)]
    mixtures = Paths(
        "from one class to another, latent held",
        tuple(one.names[0] for one in mixed),
        _in_rows([one.images for one in mixed], steps),
    )
    return Interpolation(title, latents, mixtures)


def _in_rows(images: Sequence[Tensor], steps: int) -> Cells:
    together = torch.cat(list(images))
    return together.view(-1, steps, *together.shape[1:]).numpy()


def draw_interpolation(interpolation: Interpolation) -> Figure:
    """A strip for each path: those between latents on top, those between classes below."""
    from matplotlib.figure import Figure

    parts = interpolation.parts
    steps = parts[0].images.shape[1]
    left = max(label_width(part.row_names) for part in parts) + 0.05
    titles = [interpolation.title, *(part.what for part in parts)]
    width = left + max(CELL * steps, 1.15 * text_width(titles, TITLE_SIZE)) + 0.1  # bold is wider
    above = 0.42
    size = (width, 0.25 + sum(CELL * len(part.images) + above for part in parts))
    figure = Figure(figsize=size)
    as_written(
        figure.text(
            left / size[0],
            1 - 0.1 / size[1],
            interpolation.title,
            va="top",
            fontsize=TITLE_SIZE,
            fontweight="bold",
        )
    )
    top = 0.05
    for part in parts:
        top += above + (0.15 if part is parts[0] else 0)
        add_montage(figure, size, (left, top), part.images, part.row_names, part.what)
        top += CELL * len(part.images)
    return figure
