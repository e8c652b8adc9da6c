"""Pictures of paths: between two classes with the latent held, or between latents in a class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from contragan.core.errors import UserError
from contragan.core.pictures import Picture, draw_grid
from contragan.runs.sampling import require_memory

if TYPE_CHECKING:
    from contragan.runs.model import Model

Between = Literal["classes", "latents"]

STEPS, ROWS = 8, 4
"""Images of a path, and paths between two classes, where nothing else is asked for."""


def rows_of(between: Between, classes: Sequence[int]) -> int:
    """By how many rows a picture grows: a path of each class, or one between two."""
    return len(classes) if between == "latents" else 1


def check_between(model: Model, between: Between, classes: Sequence[int]) -> None:
    """Raises UserError where there are no such paths."""
    if between == "latents":
        return
    if not model.run.recipe.generator.conditional:
        raise UserError(
            "the generator was trained without labels, so nothing lies between its classes: "
            "give --between latents"
        )
    if len(classes) != 2:
        raise UserError(
            f"--between classes needs two classes, not {len(classes)}: give --classes A,B"
        )


@dataclass(frozen=True)
class Paths:
    """Images (N, C, H, W) uint8 of paths one after another, and the row name (N,) of each."""

    images: UInt8[Tensor, "N C H W"]
    rows: Int[Tensor, " N"]
    names: tuple[str, ...]
    steps: int

    def draw(self, scale: int | None = None) -> Picture:
        """A grid, one path per row."""
        return draw_grid(self.images, self.rows, self.names, columns=self.steps, scale=scale)


def paths_between(
    model: Model,
    between: Between,
    classes: Sequence[int],
    *,
    rows: int,
    steps: int = STEPS,
    seed: int = 0,
    truncation: float | None = None,
) -> Paths:
    """Paths of ``steps`` images each.

    Between classes: path n has the n-th latent of the seed throughout, and its label goes from the
    first class to the second in equal steps (weights of both, which add up to 1). Between latents:
    every class has ``rows`` paths, and path n goes from latent 2 n to latent 2 n + 1 of the seed,
    the same ones for every class.

    Raises:
        UserError: not two classes, labels that the generator does not know, or too many images.
    """
    check_between(model, between, classes)
    count = rows * steps * rows_of(between, classes)
    require_memory(count, 2 * model.image_bytes, "pixels")
    share = torch.linspace(0, 1, steps)
    if between == "classes":
        first, last = (model.class_names[index] for index in classes)
        latents = model.latents(rows, seed=seed, truncation=truncation)
        ends = torch.eye(len(model.class_names))[list(classes)]
        labels = torch.lerp(ends[:1], ends[1:], share[:, None]).repeat(rows, 1)
        images = model.generate(latents.repeat_interleave(steps, 0), labels)
        named = (f"{first} \N{RIGHTWARDS ARROW} {last}",)
        return Paths(images, torch.zeros(count, dtype=torch.int64), named, steps)
    ends = model.latents(2 * rows, seed=seed, truncation=truncation)
    latents = torch.cat([latent_path(pair[0], pair[1], share) for pair in ends.view(rows, 2, -1)])
    owners = torch.tensor(classes).repeat_interleave(rows * steps)
    images = model.generate(latents.repeat(len(classes), 1), owners)
    return Paths(images, owners, model.row_names, steps)


def latent_path(
    first: Float[Tensor, " Z"], last: Float[Tensor, " Z"], share: Float[Tensor, " S"]
) -> Float[Tensor, "S Z"]:
    """Latents (S, Z) from ``first`` (Z,) to ``last`` along a quarter of a circle.

    A point of a straight line between two Gaussian latents is shorter than latents are, which a
    generator answers with paler images; cos(a) first + sin(a) last has their distribution.

    >>> latent_path(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([0.5]))
    tensor([[0.7071, 0.7071]])
    """
    angle = share[:, None] * (math.pi / 2)
    # At the ends themselves, which rounding would miss.
    middle = torch.cos(angle) * first + torch.sin(angle) * last
    return torch.where(share[:, None] <= 0, first, torch.where(share[:, None] >= 1, last, middle))
