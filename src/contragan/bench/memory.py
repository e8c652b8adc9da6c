"""How much memory a measurement will take, known before it starts, and how much it took."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from contragan.core.errors import UserError
from contragan.core.memory import free_memory
from contragan.core.words import readable
from contragan.models.layers.factory import set_plain
from contragan.recipes.gan import build
from contragan.recipes.schema import Recipe
from contragan.training.room import weight_bytes

WEIGHT_COPIES = 9
"""Weights, gradients and Adam's two moments, of ours and of the plain step; and the average."""

MARGIN = 1.3
"""Gradients of activations and the convolutions' work space, beside what backward needs."""

_COUNTED = 2


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a measurement takes: ``fixed``, and ``per_sample`` for each of ``samples``."""

    fixed: int
    per_sample: int
    samples: int

    @property
    def total(self) -> int:
        """Bytes in all."""
        return self.fixed + self.per_sample * self.samples

    def largest_part(self, free: int) -> int:
        """Samples that ``free`` bytes have room for; 0 where not even the networks fit."""
        return max((free - self.fixed) // self.per_sample, 0)


def estimate_memory(recipe: Recipe, num_classes: int) -> MemoryEstimate:
    """Memory of the plain step, the larger of the two, beside the weights of both.

    The networks are built and run without storage, at two sizes of the batch, and what autograd
    keeps is counted. Every regulariser, and the view of augmented positives, counts as one more
    pass of the discriminator's and the generator's graphs.
    """
    with torch.device("meta"):
        gan = build(recipe, num_classes, seed=0)
    for network in (gan.generator, gan.discriminator):
        set_plain(network)
    parameters = sum(weight_bytes(network) for network in (gan.generator, gan.discriminator))
    shape = recipe.data.image_shape

    def discriminator_step(count: int) -> None:
        for _ in ("real", "generated"):
            gan.discriminator(_meta(count, *shape), _labels(count))

    def generator_step(count: int) -> None:
        label = _labels(count)
        images = gan.generator(_meta(count, gan.generator.latent_dim), label)
        gan.discriminator(images, label)

    kept = [
        max(_kept(step, count) for step in (discriminator_step, generator_step))
        for count in (_COUNTED, 2 * _COUNTED)
    ]
    per_sample = (kept[1] - kept[0]) // _COUNTED
    passes = 1 + len(recipe.regularizers) + gan.head.needs_view
    return MemoryEstimate(
        fixed=WEIGHT_COPIES * parameters + max(kept[0] - _COUNTED * per_sample, 0),
        per_sample=int(MARGIN * passes * per_sample),
        samples=recipe.training.batch_size // recipe.training.accumulation_steps,
    )


def _meta(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta")


def _labels(count: int) -> Tensor:
    return torch.empty(count, dtype=torch.long, device="meta")


def _kept(step: Callable[[int], None], count: int) -> int:
    """Bytes of all tensors that autograd keeps during ``step``, weights included."""
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        # Held, so that no other storage can get its address.
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step(count)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def check_memory(recipe: Recipe, num_classes: int, device: torch.device, data: int) -> int:
    """The estimate in bytes, ``data`` bytes of images among them.

    Raises:
        UserError: it is more than is free; names the setting to change.
    """
    estimate, free = estimate_memory(recipe, num_classes), free_memory(device)
    if estimate.total + data <= free:
        return estimate.total + data
    training = recipe.training
    part = estimate.largest_part(free - data)
    if part >= 2:
        size = training.batch_size
        steps = next(n for n in range(-(-size // part), size + 1) if size % n == 0)
        change = (
            f"about {part} images at a time would fit: set training.batch_size="
            f"{part * training.accumulation_steps}, or "
            f"training.accumulation_steps={steps}"
        )
    else:
        change = "the networks alone do not fit: set generator.channels and discriminator.channels"
        change += " lower"
    raise UserError(
        f"batch size {training.batch_size} needs about {readable(estimate.total + data)} of "
        f"memory (an estimate), but {readable(free)} are free; {change}"
    )


def forget_peak(device: torch.device) -> None:
    """Forget the peak so far, where the system can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):  # Linux only, and not in every container
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def peak_memory(device: torch.device) -> int | None:
    """Bytes at the peak: of this process's tensors on CUDA, of the whole process elsewhere.

    None where the system does not tell (Windows).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
