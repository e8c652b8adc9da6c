"""Images from a trained generator: reproducible one by one, however they are batched."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from contragan.core.devices import find_device
from contragan.core.errors import UserError
from contragan.core.files import expanded
from contragan.core.memory import fits_in_memory
from contragan.core.randomness import random_generator
from contragan.core.types import to_uint8
from contragan.models import Generator
from contragan.models.batch_norm import BatchNormMode, evaluation_mode
from contragan.runs.run import Run, Trained, is_run, load_trained

_BLOCK = 256
"""Latents are drawn in blocks of this many, each from its own seed."""

_LABEL_BYTES = 8


class ImageSampler:
    """Draws uint8 images for labels, image after image.

    The n-th image depends on the seed, n and its label only, not on how many are drawn at a time.
    ``truncation`` T redraws every latent coordinate beyond T (Brock et al. 2019, Sec. 3.1).
    """

    def __init__(
        self,
        generator: Generator,
        seed: int,
        *,
        truncation: float | None = None,
        purpose: str = "sample",
    ) -> None:
        if truncation is not None and not 0 < truncation < float("inf"):
            raise UserError(f"truncation must be positive, not {truncation}")
        self.generator = generator
        self.seed = seed
        self.truncation = truncation
        self.purpose = purpose
        self.position = 0
        self._block = (-1, torch.empty(0))

    def latents(self, count: int) -> Float[Tensor, "B Z"]:
        """The next ``count`` latents, on the CPU."""
        pieces = []
        while count:
            index, offset = divmod(self.position, _BLOCK)
            piece = self._latent_block(index)[offset : offset + count]
            pieces.append(piece)
            self.position += len(piece)
            count -= len(piece)
        return torch.cat(pieces)

    def _latent_block(self, index: int) -> Tensor:
        if self._block[0] != index:
            random = random_generator(torch.device("cpu"), self.seed, index, self.purpose)
            latent = torch.randn(_BLOCK, self.generator.latent_dim, generator=random)
            if self.truncation is not None:
                nn.init.trunc_normal_(
                    latent, a=-self.truncation, b=self.truncation, generator=random
                )
            self._block = (index, latent)
        return self._block[1]

    def at(self, labels: Int[Tensor, " B"], indices: Int[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
        """The images with these consecutive ``indices`` (B,), whatever was drawn before."""
        self.position = int(indices[0])
        return self.floats(labels)

    @torch.no_grad()
    def floats(self, labels: Int[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
        """The next images in [-1, 1], one for each label (B,), on the generator's device."""
        device = next(self.generator.parameters()).device
        images: Tensor = self.generator(self.latents(len(labels)).to(device), labels.to(device))
        return images

    def __call__(self, labels: Int[Tensor, " B"]) -> UInt8[Tensor, "B C H W"]:
        """The next images as uint8."""
        return to_uint8(self.floats(labels))


def standing_batches(
    generator: Generator, class_counts: Sequence[int] | NDArray[np.int64], size: int, seed: int
) -> Callable[[], object]:
    """A function that sends one batch of fresh samples through a generator, labels as in the data.

    For :func:`evaluation_mode`'s standing statistics: each call makes the next batch.
    """
    sampler = ImageSampler(generator, seed, purpose="standing statistics")
    weights = torch.as_tensor(class_counts).double()
    random = random_generator(torch.device("cpu"), seed, "standing statistics labels")

    def draw() -> object:
        return sampler.floats(torch.multinomial(weights, size, replacement=True, generator=random))

    return draw


class Model:
    """A trained generator with its class names: what :func:`load` returns.

    ``batch_norm`` is which statistics it uses: those of training, of each batch (an image then
    depends on the others of its batch), or standing ones, from samples made beforehand.
    """

    def __init__(
        self, trained: Trained, device: torch.device, batch_norm: BatchNormMode = "running"
    ) -> None:
        self.batch_norm = batch_norm
        self.run: Run = trained.run
        self.iteration = trained.iteration
        self.notes = trained.notes
        self.class_names = trained.run.dataset.class_names
        data = trained.run.recipe.data
        self.image_bytes = data.channels * data.resolution**2
        self.generator = trained.generator.to(device).to(memory_format=torch.channels_last)

    def class_indices(self, classes: Sequence[str | int] | None) -> list[int]:
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

    def resolve(self, classes: Sequence[str | int] | None) -> tuple[list[int], list[str]]:
        """:meth:`class_indices`, with what else each number could have meant."""
        if classes is None:
            return list(range(len(self.class_names))), []
        if isinstance(classes, str):
            classes = [classes]
        if not classes:
            raise UserError("no class was named")
        found = []
        for name in classes:
            if isinstance(name, int) and 0 <= name < len(self.class_names):
                found.append(name)
            else:
                found.append(self._class_index(str(name)))
        pairs = dict.fromkeys(zip(classes, found, strict=True))
        remarks = [self._also_means(name, index) for name, index in pairs]
        return found, [line for line in remarks if line]

    def _also_means(self, name: str | int, index: int) -> str | None:
        """What else a number could have meant than the class with this index."""
        names, text = self.class_names, str(name)
        if isinstance(name, str) and names[index] == name:
            other = int(name) if name.isdecimal() and int(name) < len(names) else index
            if other == index:
                return None
            return f"{text} is the class of that name, not index {text}, which is '{names[other]}'"
        if text in names and names[index] != text:
            return f"{text} is the index of class '{names[index]}', not the class called '{text}'"
        return None

    def _class_index(self, name: str) -> int:
        if name in self.class_names:
            return self.class_names.index(name)
        if name.isdecimal() and int(name) < len(self.class_names):
            return int(name)
        close = difflib.get_close_matches(name, self.class_names, n=1)
        if close:
            hint = f"did you mean '{close[0]}'?"
        else:
            shown = ", ".join(self.class_names[:12])
            hint = f"there are {shown}{', ...' if len(self.class_names) > 12 else ''}"
        raise UserError(
            f"there is no class '{name}': {hint} (or an index below {len(self.class_names)})"
        )

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
        settings = self.run.recipe.evaluation
        standing = standing_batches(
            self.generator, self.run.dataset.class_counts, settings.batch_size, seed
        )
        with evaluation_mode(
            self.generator,
            self.batch_norm,
            forward=standing,
            batches=settings.standing_batches,
        ):
            for part in torch.split(labels, batch_size):
                yield sampler(part).cpu()

    def sample(
        self,
        classes: Sequence[str | int] | None = None,
        num: int | None = None,
        *,
        seed: int = 0,
        truncation: float | None = None,
    ) -> UInt8[Tensor, "N C H W"]:
        """Generate ``num`` uint8 images (N, C, H, W), taking the classes in turn.

        Args:
            classes: names or indices; None for all.
            num: how many images in all; one a class where None.
            seed: the same seed gives the same images.
            truncation: redraw latent coordinates beyond this.

        Raises:
            UserError: a class that does not exist, or more images than memory holds.
        """
        count = len(self.class_indices(classes)) if num is None else num
        # Twice: the batches, and the whole that they are joined to.
        require_memory(count, 2 * self.image_bytes, "pixels")
        labels = self.labels(classes, count)
        return torch.cat(list(self.batches(labels, seed=seed, truncation=truncation)))


def require_memory(count: int, bytes_each: int, what: str) -> None:
    """Raises UserError where something of ``count`` images cannot be held in memory."""
    if not fits_in_memory(count * bytes_each, 0.8):
        raise UserError(
            f"{count} images are too many: their {what} do not fit in memory. Ask for fewer"
        )


def checkpoint_at(path: Path) -> Path | None:
    """The whole path of a checkpoint, however ``path`` spells it; None where it is none."""
    whole = path.resolve()
    return whole if whole.parent.name == "checkpoints" and not is_run(whole) else None


def find_trained(path: Path, which: str = "best", ema: bool | None = None) -> Trained:
    """:func:`load_trained`, for a path as somebody types it: from a home, or from where one is."""
    path = expanded(path)
    return load_trained(checkpoint_at(path) or path, which, ema)


def load(
    run: str | Path,
    *,
    which: str = "best",
    device: str = "cpu",
    batch_norm: BatchNormMode = "running",
) -> Model:
    """Load a trained generator from a run's folder or one of its checkpoints.

    Args:
        run: the folder that ``contragan train`` wrote, or a ``checkpoints/step-XXXXXXX`` in it.
        which: ``"best"`` (by Fréchet distance, where the run was evaluated) or ``"last"``.
        device: where to generate: ``"cpu"``, ``"cuda:1"``, or ``"auto"`` for a GPU where there is
            one. The same seed gives the same images but for rounding.
        batch_norm: ``"running"``, ``"batch"`` or ``"standing"``, see :class:`Model`.

    Raises:
        UserError: no run, no usable checkpoint, weights of another architecture, or no such
            device.
    """
    where = find_device(device)
    return Model(find_trained(Path(run), which), where, batch_norm)
