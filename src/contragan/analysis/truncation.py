"""What truncation does: the same latents under growing truncation, with the scores beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from contragan.analysis.loaded import chosen_classes, load_titled, sees_labels
from contragan.analysis.montage import CELL, Cells, add_montage, label_width, title_lines
from contragan.core.console import note
from contragan.core.errors import UserError
from contragan.evaluation.choice import Choice
from contragan.evaluation.record import EvaluationRecord, metric_title
from contragan.evaluation.run import evaluator_of
from contragan.models import Generator
from contragan.runs.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CSV_HEADER = ("run", "truncation", "score", "value")

LEVELS = (0.2, 0.4, 0.7, 1.0, 1.5, 2.0, math.inf)
"""Truncations that are drawn; the last one is none."""

USUAL_CLASSES, MOST_CLASSES = 10, 20

METRICS = ("frechet_distance", "precision_recall")


class TruncatedGenerator(Generator):
    """Another generator whose latents are squeezed into [-T, T].

    A latent coordinate z becomes the value that lies at the same quantile of the normal
    distribution cut off beyond T, so that images of one latent change steadily with T. Drawn so,
    latents have the distribution of Brock et al. 2019, Sec. 3.1, who redraw coordinates beyond T.
    """

    def __init__(self, generator: Generator, truncation: float) -> None:
        super().__init__(
            latent_dim=generator.latent_dim,
            num_classes=generator.num_classes,
            conditional=generator.conditional,
        )
        self.generator = generator
        self.truncation = truncation

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        images: Tensor = self.generator(squeezed(z, self.truncation), label)
        return images


def squeezed(latents: Tensor, truncation: float) -> Tensor:
    """Standard normal values as those of the normal distribution cut off beyond ``truncation``.

    >>> squeezed(torch.tensor([0.0, 9.0]), 0.5)
    tensor([0.0000, 0.5000])
    """
    if math.isinf(truncation):
        return latents
    inside = math.erf(truncation / math.sqrt(2))  # how much of the distribution lies within
    quantile = inside * torch.erf(latents.cpu().double() / math.sqrt(2))
    return (math.sqrt(2) * torch.erfinv(quantile)).clamp(-truncation, truncation).to(latents)


@dataclass(frozen=True)
class Truncation:
    """One model's images (R, T, channels, H, W) uint8 by truncation, and its scores.

    ``scores`` are by name, one value for each of ``levels``; ``score_titles`` are what readers see.
    """

    title: str
    levels: tuple[float, ...]
    row_names: tuple[str, ...]
    images: Cells
    scores: dict[str, list[float]]
    score_titles: dict[str, str]
    num_images: int

    def rows(self) -> Iterator[tuple[str, float | str, str, float]]:
        """Every score as a row of :data:`CSV_HEADER`."""
        for name, values in self.scores.items():
            for level, value in zip(self.levels, values, strict=True):
                yield self.title, "none" if math.isinf(level) else level, name, value

    def summary(self) -> str:
        """The truncation of the lowest distance, in one line."""
        distances = self.scores["frechet_distance"]
        best = int(np.argmin(distances))
        lowest = f"{self.title}: lowest distance {distances[best]:.4g}"
        if math.isinf(self.levels[best]):
            return f"{lowest} without truncation"
        return f"{lowest} with truncation {self.levels[best]:g}, {distances[-1]:.4g} " + (
            "without" if math.isinf(self.levels[-1]) else f"with {self.levels[-1]:g}"
        )


def parse_levels(words: str) -> list[float]:
    """Truncations from words such as ``0.5,1,none``.

    Raises:
        UserError: a word that is not a number above 0, or none.
    """
    levels = []
    for word in map(str.strip, words.split(",")):
        try:
            level = math.inf if word == "none" else float(word)
        except ValueError:
            level = math.nan
        if not level > 0:
            raise UserError(f"--levels {words}: {word!r} is not a number above 0, or none")
        levels.append(level)
    return levels


def read_truncation(
    path: Path,
    console: Console,
    *,
    levels: Sequence[float] = LEVELS,
    classes: Sequence[str] = (),
    num_images: int | None = None,
    features: str | None = None,
    which: str = "best",
    data: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> Truncation:
    """Images and scores of a run or a checkpoint under growing truncation.

    Scores are those of the run's own evaluation settings, unless changed here; nothing is written
    into the run.

    Args:
        path: a run's folder, or a checkpoint in it.
        console: where progress is shown.
        levels: truncations above 0; ``math.inf`` is none.
        classes: whose images are shown, names or indices; none of them: the first ten.
        num_images: generated images behind each score; None as the recipe says.
        features: what images are compared by; None as the recipe says.
        which: the checkpoint of a run: ``"best"`` or ``"last"``.
        data: where the data set lies; None where the run had it.
        seed: of the latents.
        device: where the networks run.

    Raises:
        UserError: no run, no checkpoint, no data, or truncations that are not above 0.
    """
    if not levels or not all(level > 0 for level in levels):
        raise UserError(f"truncations are numbers above 0, not {list(levels)}")
    levels = tuple(sorted(set(levels)))
    ((model, title),) = load_titled([path], console, which=which, device=device)
    labelled = sees_labels(model, title, classes)
    chosen = [0] * USUAL_CLASSES
    if labelled:
        chosen = chosen_classes(model, classes, console, usual=USUAL_CLASSES, most=MOST_CLASSES)
    choice = Choice(
        features=features,
        num_images=num_images,
        metrics=METRICS,
        data=data,
        seed=seed,
        device=device,
    )
    records = _evaluated(model, choice, levels, console)
    latents = model.latents(len(chosen), seed=seed)
    columns = [model.generate(squeezed(latents, level), torch.tensor(chosen)) for level in levels]
    names = ["frechet_distance", "precision", "recall"]
    return Truncation(
        title=title,
        levels=levels,
        row_names=tuple(model.class_names[index] if labelled else "" for index in chosen),
        images=torch.stack(columns, 1).numpy(),
        scores={name: [record.values[name] for record in records] for name in names},
        score_titles={name: metric_title(records[0], name) for name in names},
        num_images=records[0].counts["generated"],
    )


def _evaluated(
    model: Model, choice: Choice, levels: Sequence[float], console: Console
) -> list[EvaluationRecord]:
    """One evaluation for each truncation."""
    evaluator, records = evaluator_of(model, choice, console), []
    for place, level in enumerate(levels, 1):
        note(console, f"truncation {_shown(level)} ({place} of {len(levels)})")
        truncated = TruncatedGenerator(model.generator, level).eval()
        records.append(replace(evaluator, generator=truncated)(model.iteration))
    return records


def _shown(level: float) -> str:
    return "none" if math.isinf(level) else f"{level:g}"


def draw_truncation(truncation: Truncation) -> Figure:
    """One row for each latent, one column for each truncation, and the scores to the right."""
    from matplotlib.figure import Figure

    rows, columns = truncation.images.shape[:2]
    margin, top, right = label_width(truncation.row_names) + 0.05, 0.55, 4.2
    left = margin + CELL * columns + 0.25
    height = max(top + CELL * rows + 0.6, 4.6)
    figure = Figure(figsize=(left + right, height), layout="constrained")
    place, charts = figure.subfigures(1, 2, squeeze=False, width_ratios=[left, right]).flat
    title = title_lines(truncation.title, CELL * columns)
    panel = add_montage(
        place, (left, height), (margin, top), truncation.images, truncation.row_names, title
    )
    shown = [_shown(level) for level in truncation.levels]
    panel.set_xticks(range(columns), shown, fontsize=9)
    panel.set_xlabel("truncation T: latents lie within \N{PLUS-MINUS SIGN}T")
    upper, lower = charts.subplots(2, 1, sharex=True)
    _chart(upper, truncation, ["frechet_distance"])
    _chart(lower, truncation, ["precision", "recall"])
    upper.set_title(truncation.score_titles["frechet_distance"], fontsize="medium")
    lower.set_title("precision and recall", fontsize="medium")
    lower.set_ylim(-0.03, 1.03)
    lower.legend(frameon=False, fontsize="small")
    lower.set_xticks(range(columns), shown)
    lower.set_xlabel(f"truncation ({truncation.num_images:,} images each)")
    return figure


def _chart(panel: Axes, truncation: Truncation, names: Sequence[str]) -> None:
    colours = {"frechet_distance": "C3", "precision": "C0", "recall": "C1"}
    for name in names:
        title = truncation.score_titles[name]
        panel.plot(truncation.scores[name], "o-", color=colours[name], label=title, markersize=4)
    panel.grid(alpha=0.25)
