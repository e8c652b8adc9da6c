"""Paths between images: from latent to latent, and from class to class with the latent held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
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
from contragan.runs.between import latent_path
from contragan.runs.model import Model
from contragan.runs.sampling import require_memory

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
    chosen = [0] * USUAL_CLASSES
    if labelled:
        chosen = chosen_classes(model, classes, console, usual=USUAL_CLASSES, most=MOST_CLASSES)
    require_memory(2 * len(chosen) * steps, 2 * model.image_bytes, "pixels")
    share = torch.linspace(0, 1, steps)
    if labelled:
        first, second = model.latents(2, seed=seed, truncation=truncation)
        latents = [latent_path(first, second, share)] * len(chosen)
        names = tuple(model.class_names[index] for index in chosen)
    else:
        ends = model.latents(2 * len(chosen), seed=seed, truncation=truncation)
        latents = [latent_path(a, b, share) for a, b in ends.view(len(chosen), 2, -1)]
        names = ("",) * len(chosen)
    labels = torch.tensor(chosen).repeat_interleave(steps)
    images = _rows(model, torch.cat(latents), labels, len(chosen))
    between = Paths("from one latent to another, class held", names, images)
    if not labelled:
        return Interpolation(title, Paths("from one latent to another", names, images), None)
    if len(chosen) < 2:
        return Interpolation(title, between, None)
    return Interpolation(title, between, _between_classes(model, chosen, first, share))


def _between_classes(
    model: Model, chosen: Sequence[int], latent: Tensor, share: Float[Tensor, " S"]
) -> Paths:
    one_hot = torch.eye(len(model.class_names))
    pairs = list(pairwise(chosen))
    mixtures = [torch.lerp(one_hot[[a]], one_hot[[b]], share[:, None]) for a, b in pairs]
    latents = latent.expand(len(pairs) * len(share), -1)
    images = _rows(model, latents, torch.cat(mixtures), len(pairs))
    names = [
        f"{model.class_names[a]} \N{RIGHTWARDS ARROW} {model.class_names[b]}" for a, b in pairs
    ]
    return Paths("from one class to another, latent held", tuple(names), images)


def _rows(model: Model, latents: Tensor, labels: Tensor, rows: int) -> Cells:
    images = model.generate(latents, labels)
    return images.view(rows, -1, *images.shape[1:]).numpy()


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
