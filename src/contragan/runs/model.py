"""A trained generator: the one way from a run or a checkpoint to networks and images."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from PIL.Image import Image
from torch import Tensor

from contragan.core.devices import find_device
from contragan.core.errors import UserError
from contragan.core.files import expanded
from contragan.core.types import to_uint8
from contragan.models import Generator
from contragan.models.batch_norm import BatchNormMode, evaluation_mode
from contragan.recipes.gan import build_unseeded_generator
from contragan.recipes.schema import Recipe
from contragan.runs.checkpoint import (
    first_whole,
    load_network,
    preferred,
    read_manifest,
    verify,
)
from contragan.runs.class_choice import checked_labels, resolve
from contragan.runs.run import DATASET, Run, checkpoint_at, open_run
from contragan.runs.sampling import ImageSampler, require_memory, standing_batches

_LABEL_BYTES = 8


class Model:
    """A trained generator with its class names: what :func:`load` returns.

    ``notes`` are lines for the user, such as on a damaged checkpoint that was passed over. ``ema``
    says whether the weights are the moving average of training's.

    ``batch_norm`` is which statistics it uses: those of training, of each batch (an image then
    depends on the others of its batch), or standing ones, from samples made beforehand.

    ``row_names`` are what a grid's rows are called: the class names, or nothing where the
    generator was trained without labels.
    """

    def __init__(
        self,
        run: Run,
        checkpoint: Path,
        generator: Generator,
        *,
        iteration: int,
        ema: bool,
        notes: Sequence[str] = (),
        batch_norm: BatchNormMode = "running",
    ) -> None:
        self.run = run
        self.checkpoint = checkpoint
        self.generator = generator
        self.iteration = iteration
        self.ema = ema
        self.notes = list(notes)
        self.batch_norm = batch_norm
        self.class_names = run.dataset.class_names
        labelled = run.recipe.generator.conditional
        self.row_names = self.class_names if labelled else ("",) * len(self.class_names)
        self.image_bytes = prod(run.recipe.data.image_shape)

    def __repr__(self) -> str:
        names, data = self.class_names, self.run.recipe.data
        shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        weights = "moving average" if self.ema else "latest weights"
        return (
            f"Model({self.run.name}, seed {self.run.seed}, iteration {self.iteration}, {weights}: "
            f"{len(names)} classes ({shown}), images {' x '.join(map(str, data.image_shape))})"
        )

    def class_indices(self, classes: Sequence[str | int] | str | int | None) -> list[int]:
        """Indices of classes given by name or index; all classes for None.

        A string that is a class's name means that class, and only else an index; an integer is
        always an index. Where classes are called by other numbers than their indices, a warning
        says which was taken.

        Raises:
            UserError: a class that does not exist; names the nearest.
        """
        indices, remarks = self.resolve(classes)
        for line in remarks:
            warnings.warn(line, stacklevel=2)
        return indices

    def resolve(
        self, classes: Sequence[str | int] | str | int | None
    ) -> tuple[list[int], list[str]]:
        """:meth:`class_indices`, with what else each number could have meant."""
        return resolve(classes, self.class_names)

    def split_names(self, values: Sequence[str]) -> list[str]:
        """Class names from ``values``: each one name, or several separated by commas."""
        names: list[str] = []
        for value in values:
            whole = value in self.class_names
            names += [value] if whole else map(str.strip, value.split(","))
        return names

    def labels(self, classes: Sequence[str | int] | None, num: int) -> Int[Tensor, " N"]:
        """Labels of ``num`` images, taking the classes in turn, by name or index.

        Raises:
            UserError: a class that does not exist, or more images than can be numbered in memory.
        """
        if num < 1:
            raise UserError(f"the number of images must be at least 1, not {num}")
        require_memory(num, 4 * _LABEL_BYTES, "labels")
        indices = torch.tensor(self.resolve(classes)[0])
        return indices.repeat(-(-num // len(indices)))[:num]

    def batches(
        self,
        labels: Int[Tensor, " N"],
        *,
        seed: int = 0,
        truncation: float | None = None,
        batch_size: int = 256,
    ) -> Iterator[UInt8[Tensor, "B C H W"]]:
        """Images for ``labels`` (N,), a batch at a time on the CPU, so that N may be a million."""
        sampler = ImageSampler(self.generator, seed, truncation=truncation)
        with self._evaluating(seed):
            for part in torch.split(labels, batch_size):
                yield sampler(part).cpu()

    def _evaluating(self, seed: int) -> AbstractContextManager[None]:
        """Within it the generator uses the statistics that ``batch_norm`` says."""
        settings = self.run.recipe.evaluation
        standing = standing_batches(
            self.generator, self.run.dataset.class_counts, settings.batch_size, seed
        )
        return evaluation_mode(
            self.generator, self.batch_norm, forward=standing, batches=settings.standing_batches
        )

    def latents(
        self, num: int, *, seed: int = 0, truncation: float | None = None
    ) -> Float[Tensor, "N Z"]:
        """The first ``num`` latents (N, Z) of a seed, on the CPU: those that :meth:`sample` uses.

        Args:
            num: how many.
            seed: the same seed gives the same latents.
            truncation: redraw latent coordinates beyond this.
        """
        require_memory(num, 4 * self.generator.latent_dim, "latents")
        return ImageSampler(self.generator, seed, truncation=truncation).latents(num)

    def generate(
        self,
        latents: Float[Tensor, "N Z"],
        labels: Tensor | Sequence[str | int] | str | int,
        *,
        batch_size: int = 256,
    ) -> UInt8[Tensor, "N C H W"]:
        """Images (N, C, H, W) uint8 of given latents (N, Z), on the CPU.

        ``model.generate(model.latents(10, seed=1), labels)`` equals what ``sample`` draws with
        that seed (standing batch-norm statistics are always those of seed 0 here). Between two
        latents or two classes lies a path of images::

            share = torch.linspace(0, 1, 8)[:, None]
            one_hot = torch.eye(len(model.class_names))
            mixtures = (1 - share) * one_hot[3] + share * one_hot[8]
            model.generate(model.latents(1).expand(8, -1), mixtures)

        Args:
            latents: such as :meth:`latents` gives.
            labels: indices (N,), or weights of all classes (N, K), a mixture for each image; or
                names or indices of classes, one for all images or one for each.
            batch_size: how many go through the network at a time.

        Raises:
            UserError: labels that do not fit the latents or the model's classes.
        """
        if not isinstance(labels, Tensor):
            labels = torch.tensor(self.class_indices(labels))
            labels = labels.expand(len(latents)) if len(labels) == 1 else labels
        given = checked_labels(labels, len(latents), len(self.class_names))
        if latents.ndim != 2 or latents.shape[1] != self.generator.latent_dim:
            raise UserError(
                f"latents have the shape {tuple(latents.shape)}, not (N, "
                f"{self.generator.latent_dim}): take model.latents(num)"
            )
        device = next(self.generator.parameters()).device
        pairs = zip(latents.split(batch_size), given.split(batch_size), strict=True)
        with torch.no_grad(), self._evaluating(seed=0):
            parts = [to_uint8(self.generator(z.to(device), y.to(device))).cpu() for z, y in pairs]
        return torch.cat(parts)

    def grid(
        self,
        classes: Sequence[str | int] | str | int | None = None,
        num: int = 10,
        *,
        seed: int = 0,
        truncation: float | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image:
        """A picture with one row per class and its name, which a notebook shows.

        Args:
            classes: names or indices; None for all.
            num: how many images of each class.
            seed: the same seed gives the same images.
            truncation: redraw latent coordinates beyond this.
            columns: how many images stand in a row; more go on in further rows.
            scale: whole factor to enlarge by; None makes small images 48 pixels wide.

        Returns:
            A ``PIL.Image.Image``; ``.save("grid.png")`` writes it.
        """
        from contragan.core.pictures import labelled_grid

        indices = list(dict.fromkeys(self.class_indices(classes)))
        labels = self.labels(indices, num * len(indices))
        require_memory(len(labels), 2 * self.image_bytes, "pixels")
        images = torch.cat(list(self.batches(labels, seed=seed, truncation=truncation)))
        return labelled_grid(images, labels, self.row_names, columns=columns, scale=scale)

    def sample(
        self,
        classes: Sequence[str | int] | str | int | None = None,
        num: int | None = None,
        *,
        seed: int = 0,
        truncation: float | None = None,
    ) -> UInt8[Tensor, "N C H W"]:
        """Generate ``num`` uint8 images (N, C, H, W), taking the classes in turn.

        Args:
            classes: names or indices; None for all.
            num: how many images in all; one per class where None.
            seed: the same seed gives the same images.
            truncation: redraw latent coordinates beyond this.

        Raises:
            UserError: a class that does not exist, or more images than memory holds.
        """
        indices = self.class_indices(classes)  # which warns of numbers with two meanings
        count = len(indices) if num is None else num
        # Twice: the batches, and the whole that they are joined to.
        require_memory(count, 2 * self.image_bytes, "pixels")
        labels = self.labels(indices, count)
        return torch.cat(list(self.batches(labels, seed=seed, truncation=truncation)))


def load(
    run: str | Path,
    *,
    which: str = "best",
    device: str = "cpu",
    batch_norm: BatchNormMode = "running",
    ema: bool | None = None,
) -> Model:
    """Load a trained generator from a run's folder or one of its checkpoints.

    Only the generator's file is read and checked. A run's damaged checkpoint is passed over for
    its newest undamaged one.

    Args:
        run: the folder that ``contragan train`` wrote, or a ``checkpoints/step-XXXXXXX`` in it.
        which: ``"best"`` (by Fréchet distance, where the run was evaluated) or ``"last"``.
        device: where to generate: ``"cpu"``, ``"cuda:1"``, or ``"auto"`` for a GPU where there is
            one. The same seed gives the same images but for rounding.
        batch_norm: ``"running"``, ``"batch"`` or ``"standing"``, see :class:`Model`.
        ema: take the moving average of the weights; None takes it where there is one.

    Raises:
        UserError: no run, no usable checkpoint, weights of another architecture, or no such
            device.
    """
    where = find_device(device)
    path = expanded(Path(run))
    given = checkpoint_at(path)
    opened = open_run(path if given is None else given.parent.parent)
    notes: list[str] = []
    if given is None:
        named, candidates = preferred(opened.checkpoints, which)
        checkpoint, manifest, notes = first_whole(
            opened.checkpoints, candidates, lambda one: _verified(one, ema)
        )
        if named is None:
            why = " (training marks one when it evaluates)" if which == "best" else ""
            notes.append(f"no checkpoint is marked as {which}{why}: {checkpoint.name} is taken")
    elif given.is_dir():
        checkpoint, manifest = given, _verified(given, ema)
    else:
        raise UserError(f"there is no checkpoint {given}")
    facts = opened.dataset.named(manifest["class_names"], str(checkpoint))
    if facts != opened.dataset:
        notes.append(f"{opened.path / DATASET} names other classes than {checkpoint}, which counts")
        opened = replace(opened, dataset=facts)
    name = _network(checkpoint, manifest, ema)
    generator = _load_generator(checkpoint, name, opened.recipe, facts.num_classes)
    return Model(
        opened,
        checkpoint,
        generator.to(where).to(memory_format=torch.channels_last),
        iteration=manifest["iteration"],
        ema=name != "generator",
        notes=notes,
        batch_norm=batch_norm,
    )


def _verified(checkpoint: Path, ema: bool | None) -> dict[str, Any]:
    """The manifest of a checkpoint whose generator is as it was written."""
    return verify(checkpoint, _network(checkpoint, read_manifest(checkpoint), ema))


def _network(checkpoint: Path, manifest: dict[str, Any], ema: bool | None) -> str:
    """The name of the generator to load, the averaged one or the other."""
    averaged = "generator_ema.safetensors" in manifest["sha256"]
    if ema and not averaged:
        raise UserError(f"{checkpoint} holds no moving average (its recipe has training.ema null)")
    return "generator_ema" if averaged and ema is not False else "generator"


def _load_generator(checkpoint: Path, name: str, recipe: Recipe, num_classes: int) -> Generator:
    """The generator with a checkpoint's weights, on the CPU, made without initialising it first."""
    with torch.device("meta"):
        generator = build_unseeded_generator(recipe, num_classes)
    load_network(checkpoint, name, generator)
    if any(tensor.is_meta for tensor in chain(generator.parameters(), generator.buffers())):
        # Buffers that a state leaves out have the values that they are built with.
        with torch.random.fork_rng(devices=[]):
            generator = build_unseeded_generator(recipe, num_classes)
        load_network(checkpoint, name, generator)
    return generator.eval().requires_grad_(False)
