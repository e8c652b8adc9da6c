"""Training that starts from a run of another data set: what it takes from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import nn

from contragan.core.console import progress_bar
from contragan.core.errors import UserError
from contragan.core.types import from_uint8
from contragan.core.words import shortened
from contragan.data import ImageDataset
from contragan.data.classes import canonical_names
from contragan.models import Generator
from contragan.models.discriminator import Discriminator
from contragan.recipes.gan import GAN, build
from contragan.recipes.schema import Recipe
from contragan.runs.checkpoint import read_network
from contragan.runs.discriminator import discriminator_at
from contragan.training.starting_point import Source, unlike_settings
from contragan.training.transfer import (
    Axes,
    ClassStart,
    Taken,
    class_axes,
    label_scores,
    transfer,
)

LOOKED_AT, AT_MOST = 64, 4096
"""Images of each new class that the trained discriminator looks at, and of all together."""


def class_starts(
    source: Source, train: ImageDataset, device: torch.device, console: Console
) -> list[ClassStart]:
    """What each class of the new data starts from: its own name's class, the nearest, or the mean.

    The nearest is the old class that the trained discriminator finds most of in the new class's
    images (:func:`~contragan.training.transfer.label_scores`).
    """
    old = canonical_names(source.classes.class_names, str(source.run.path))
    known = {name: index for index, name in enumerate(old)} if source.classes.knows_names else {}
    new = canonical_names(train.class_names, "the data")
    scores = _Scores(source, train, device)
    starts = []
    with progress_bar(console) as progress:
        for index, name in enumerate(new):
            progress("nearest classes", index, len(new))
            if name in known:
                starts.append(ClassStart(name, "same name", known[name], name))
                continue
            found = scores(index)
            if found is None:
                starts.append(ClassStart(name, "mean"))
            else:
                best = int(found.argmax())
                starts.append(ClassStart(name, "nearest", best, old[best]))
    return starts


class _Scores:
    """What the source's discriminator thinks of each class's images; built where it is needed."""

    def __init__(self, source: Source, train: ImageDataset, device: torch.device) -> None:
        self.source, self.train, self.device = source, train, device
        self.each = max(1, min(LOOKED_AT, AT_MOST // train.num_classes))
        self._discriminator: Discriminator | None = None

    def __call__(self, label: int) -> torch.Tensor | None:
        rows = np.flatnonzero(self.train.labels == label)
        if not len(rows):
            return None
        rows = rows[:: max(1, len(rows) // self.each)][: self.each]
        pixels = torch.from_numpy(np.ascontiguousarray(self.train.images[rows]))
        images = from_uint8(pixels.permute(0, 3, 1, 2)).to(self.device)
        return label_scores(self.discriminator, images, self.source.classes.num_classes)

    @property
    def discriminator(self) -> Discriminator:
        if self._discriminator is None:
            source = self.source
            self._discriminator = discriminator_at(
                source.checkpoint, source.run.recipe, source.classes.num_classes, self.device
            )
        return self._discriminator


@dataclass(frozen=True)
class FineTuning:
    """What a GAN takes from a source, to print and to record.

    ``axes`` are those of both new networks, ``unlike`` settings in which they differ from the old.
    """

    source: Source
    starts: Sequence[ClassStart]
    axes: Axes
    unlike: Sequence[str]
    frozen_blocks: int
    networks: dict[str, Taken] = field(default_factory=dict)

    def give(self, network: nn.Module, name: str) -> None:
        """Give a network what fits of the source's ``name``."""
        part = name.removesuffix("_ema") + "."
        axes = {
            tensor.removeprefix(part): where
            for tensor, where in self.axes.items()
            if tensor.startswith(part)
        }
        old = read_network(self.source.checkpoint, name)
        classes = self.source.classes.num_classes
        self.networks[name] = transfer(network, old, axes, self.starts, classes)

    def give_average(self, average: Generator) -> None:
        """Give the generator's moving average the source's, where that has one."""
        if self.source.holds_average:
            self.give(average, "generator_ema")

    def record(self) -> dict[str, Any]:
        """As JSON values, for the run's folder."""
        return {
            "run": str(self.source.run.path.resolve()),
            "checkpoint": str(self.source.checkpoint.resolve()),
            "recipe": self.source.run.name,
            "iteration": self.source.manifest["iteration"],
            "sha256": self.source.manifest["sha256"],
            "classes": [asdict(start) for start in self.starts],
            "networks": {name: asdict(taken) for name, taken in self.networks.items()},
            "frozen_discriminator_blocks": self.frozen_blocks,
        }

    def lines(self) -> list[str]:
        """For people."""
        source = self.source
        lines = [
            f"starting from {source.checkpoint} ({source.run.name}, iteration "
            f"{source.manifest['iteration']:,}, {source.classes.num_classes:,} classes)"
        ]
        counts = [
            f"{name.replace('_', ' ')} {len(taken.whole) + len(taken.by_class)} of "
            f"{len(taken.whole) + len(taken.by_class) + len(taken.anew)}"
            for name, taken in self.networks.items()
        ]
        lines.append(f"tensors taken: {', '.join(counts)}")
        anew = [
            f"{name} {tensor}" for name, taken in self.networks.items() for tensor in taken.anew
        ]
        if anew:
            lines.append(f"made anew: {shortened(anew, 4)}")
        if self.unlike:
            lines.append(f"warning: settings of the networks differ: {'; '.join(self.unlike)}")
        if any(taken.by_class for taken in self.networks.values()):
            lines += self._classes()
        if self.frozen_blocks:
            blocks = "block" if self.frozen_blocks == 1 else f"{self.frozen_blocks} blocks"
            lines.append(f"the lowest {blocks} of the discriminator will not be trained")
        return lines

    def _classes(self) -> list[str]:
        by_how: dict[str, list[str]] = {"same name": [], "nearest": [], "mean": []}
        for start in self.starts:
            told = f"{start.name} from {start.origin}" if start.how == "nearest" else start.name
            by_how[start.how].append(told)
        words = {
            "same name": "classes that keep what the old class of their name has learnt",
            "nearest": "new classes, each from the old class that is nearest to the discriminator",
            "mean": "new classes that start from the mean of the old ones",
        }
        return [f"{words[how]}: {shortened(told, 6)}" for how, told in by_how.items() if told]


def take_over(gan: GAN, source: Source, starts: Sequence[ClassStart], recipe: Recipe) -> FineTuning:
    """Give a new GAN, on the CPU, what fits of the source's networks.

    Raises:
        UserError: blocks are to be frozen that the source does not have.
    """
    axes = class_axes(lambda count: _both(build(recipe, count, seed=0)), len(starts))
    frozen = recipe.training.frozen_discriminator_blocks
    taken = FineTuning(source, starts, axes, _unlike(source.run.recipe, recipe), frozen)
    for name, network in _both(gan).named_children():
        taken.give(network, name)
    gan.discriminator.freeze_lowest(frozen)
    for name, weight in gan.discriminator.named_parameters():
        if not weight.requires_grad and name in taken.networks["discriminator"].anew:
            raise UserError(
                f"training.frozen_discriminator_blocks {frozen} would keep {name}, which --from "
                f"{source.run.path} does not have: set it lower, or discriminator as there"
            )
    return taken


def _both(gan: GAN) -> nn.ModuleDict:
    return nn.ModuleDict({"generator": gan.generator, "discriminator": gan.discriminator})


def _unlike(old: Recipe, new: Recipe) -> list[str]:
    parts = ("generator", "discriminator")
    return [line for part in parts for line in unlike_settings(part, old, new)]
