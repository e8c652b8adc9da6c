"""What is asked of a generator, the picture of it, and the command that draws the same picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import UInt8
from PIL.Image import Image
from torch import Tensor

from contragan.core.errors import UserError
from contragan.core.pictures import labelled_grid
from contragan.core.words import command_line
from contragan.runs.between import Between, paths_between, rows_of
from contragan.runs.model import Model

MOST_IMAGES = 256
"""Images of a picture: more take seconds to draw, and cannot be seen at a glance."""


@dataclass(frozen=True)
class Asked:
    """What to draw: samples of classes, or paths ``between`` classes or latents.

    ``classes`` are indices, ``columns`` the images of each class or the steps of a path, ``rows``
    the paths between two classes or in each class.
    """

    classes: tuple[int, ...]
    columns: int = 8
    rows: int = 1
    between: Between | None = None
    seed: int = 0
    truncation: float | None = None

    @property
    def count(self) -> int:
        """How many images that is."""
        if self.between is None:
            return self.columns * len(self.classes)
        return self.columns * self.rows * rows_of(self.between, self.classes)

    @property
    def file_name(self) -> str:
        what = "samples" if self.between is None else f"between-{self.between}"
        return f"{what}-seed-{self.seed}.png"


@dataclass(frozen=True)
class Shown:
    """A picture, and the images (N, C, H, W) uint8 in it with the row name of each."""

    asked: Asked
    picture: Image
    images: UInt8[Tensor, "N C H W"]
    names: tuple[str, ...]


def fitted(asked: Asked) -> tuple[Asked, str | None]:
    """What is drawn of what is asked, at most ``MOST_IMAGES`` images, and a line on the rest.

    Raises:
        UserError: no class.
    """
    if not asked.classes:
        raise UserError("Choose at least one class.")
    if asked.count <= MOST_IMAGES:
        return asked, None
    each = asked.columns * (1 if asked.between is None else asked.rows)
    kept = max(1, MOST_IMAGES // each)
    less = replace(asked, classes=asked.classes[:kept])
    line = (
        f"The first {kept} of {len(asked.classes)} classes are shown: a picture holds at most "
        f"{MOST_IMAGES} images."
    )
    return less, line


def draw(model: Model, asked: Asked) -> Shown:
    """Draw it, just as ``contragan sample`` does.

    Raises:
        UserError: labels that the generator does not know, a truncation or a seed below 0.
    """
    if asked.seed < 0:
        raise UserError(f"The seed must be at least 0, not {asked.seed}.")
    if asked.between is not None:
        paths = paths_between(
            model,
            asked.between,
            asked.classes,
            rows=asked.rows,
            steps=asked.columns,
            seed=asked.seed,
            truncation=asked.truncation,
        )
        names = tuple(paths.names[row] for row in paths.rows.tolist())
        return Shown(asked, paths.draw().image(), paths.images, names)
    labels = model.labels(asked.classes, asked.count)
    batches = model.batches(labels, seed=asked.seed, truncation=asked.truncation)
    images = torch.cat(list(batches))
    picture = labelled_grid(images, labels, model.row_names, columns=asked.columns)
    return Shown(asked, picture, images, tuple(model.row_names[label] for label in labels))


def command(model: Model, asked: Asked, device: str) -> str:
    """The words for a shell that draw the same picture: of this checkpoint, whatever comes later.

    >>> _classes(["cat", "dog, wet"], 3)
    ['--classes=cat', '--classes=dog, wet']
    """
    words = ["contragan", "sample", str(model.checkpoint)]
    if model.run.recipe.generator.conditional:
        names = [model.class_names[index] for index in asked.classes]
        words += _classes(names, len(model.class_names))
    elif len(model.class_names) > 1:
        words += ["--classes", "0"]  # labels make no difference
    words += ["--num", str(asked.count), "--columns", str(asked.columns)]
    if asked.between is not None:
        words += ["--between", asked.between]
    if asked.truncation is not None:
        words += ["--truncation", f"{asked.truncation:g}"]
    words += ["--seed", str(asked.seed), "--out", asked.file_name]
    if device != "auto":
        words += ["--device", device]
    return command_line(words)


def _classes(names: Sequence[str], of: int) -> list[str]:
    """The option that names the classes: one for all, where no name could be read as several."""
    if len(names) == of:
        return []
    if any("," in name or name != name.strip() for name in names):
        return [f"--classes={name}" for name in names]
    return ["--classes=" + ",".join(names)]
