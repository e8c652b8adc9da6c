"""Weights of a trained GAN for one on other classes: by name and shape, and class by class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from contragan.core.types import DiscriminatorOutput
from contragan.models.discriminator import Discriminator
from contragan.models.layers.spectral_norm import SpectralNorm

State = Mapping[str, Tensor]
Axes = dict[str, tuple[int, ...]]
"""The axes of tensors along which classes are counted, by the tensors' names."""

How = Literal["same name", "nearest", "mean"]

POWER_ITERATIONS = 50
"""Of spectral norm on a weight whose classes are others: one per update would lag behind."""


@dataclass(frozen=True)
class ClassStart:
    """What a class starts from: the old class ``index``, called ``origin``; the mean for None."""

    name: str
    how: How
    index: int | None = None
    origin: str | None = None


@dataclass(frozen=True)
class Taken:
    """What a network took: tensors as they were, class by class, and those that were made anew."""

    whole: tuple[str, ...]
    by_class: tuple[str, ...]
    anew: tuple[str, ...]


def class_axes(build: Callable[[int], nn.Module], num_classes: int) -> Axes:
    """Where a network's tensors count classes: what grows where there is one class more.

    Nothing has to know the tensors' names, so networks and heads of other packages are understood
    too. ``build`` makes the network for a number of classes.
    """
    with torch.device("meta"):
        few, more = (build(count).state_dict() for count in (num_classes, num_classes + 1))
    found: Axes = {}
    for name, tensor in few.items():
        sizes = enumerate(zip(tensor.shape, more[name].shape, strict=True))
        axes = tuple(axis for axis, (size, larger) in sizes if size != larger)
        if axes:
            found[name] = axes
    return found


def for_classes(tensor: Tensor, axis: int, starts: Sequence[ClassStart]) -> Tensor:
    """The tensor with the classes of ``starts`` along ``axis`` in place of the old ones."""
    chosen = [0 if start.index is None else start.index for start in starts]
    taken = tensor.index_select(axis, torch.tensor(chosen))
    if tensor.is_floating_point():
        mean = tensor.mean(axis)
        for position, start in enumerate(starts):
            if start.index is None:
                taken.select(axis, position).copy_(mean)
    return taken


@torch.no_grad()
def transfer(
    network: nn.Module, old: State, axes: Axes, starts: Sequence[ClassStart], old_classes: int
) -> Taken:
    """Give a network the tensors of a trained one that have its names and shapes.

    Tensors that count classes are taken class by class, as ``starts`` says; what fits nowhere keeps
    the values that the network was made with. Spectral norm of a weight that is not taken whole
    finds its singular values anew.

    Args:
        network: of the new classes; changed in place.
        old: tensors of the trained network by name, on the CPU.
        axes: from :func:`class_axes` of the network.
        starts: one for each of the network's classes.
        old_classes: how many classes the trained network has.
    """
    fresh = network.state_dict()
    norms = {
        name: module for name, module in network.named_modules() if isinstance(module, SpectralNorm)
    }
    whole, by_class, anew = [], [], []
    for name, tensor in fresh.items():
        shape = list(tensor.shape)
        for axis in axes.get(name, ()):
            shape[axis] = old_classes if shape[axis] == len(starts) else -1
        if name not in old or list(old[name].shape) != shape:
            anew.append(name)
        elif name in axes:
            by_class.append(name)
        else:
            whole.append(name)
    changed = {
        name: norm
        for name, norm in norms.items()
        if f"{name.removesuffix('spectral_norm')}weight" in {*by_class, *anew}
    }
    own = {f"{name}.{vector}" for name in changed for vector in ("u", "v")}
    state = dict(fresh)
    for name in {*whole, *by_class} - own:
        tensor = old[name]
        for axis in axes.get(name, ()):
            tensor = for_classes(tensor, axis, starts)
        state[name] = tensor
    network.load_state_dict(state)
    for name, norm in changed.items():
        weight = network.get_parameter(f"{name.removesuffix('spectral_norm')}weight")
        for _ in range(POWER_ITERATIONS):
            norm.iterate(weight)
    kept = [tuple(name for name in names if name not in own) for names in (whole, by_class, anew)]
    return Taken(*kept)


@torch.no_grad()
def label_scores(discriminator: Discriminator, images: Tensor, num_classes: int) -> Tensor | None:
    """How well each class suits images (B, C, H, W), by the discriminator: (K,), higher is better.

    A classifier's mean log-probability; the mean cosine of the images' embeddings and the class's
    proxy; or the mean logit under the class's label. None where the discriminator knows no classes.
    """
    discriminator.eval()
    feature = discriminator.trunk(images)
    labels = torch.zeros(len(images), dtype=torch.long, device=images.device)
    output: DiscriminatorOutput = discriminator.head(feature, labels)
    if output.class_logits is not None:
        return output.class_logits.float().log_softmax(1).mean(0)
    if output.proxies is not None and output.embedding is not None:
        return (output.embedding @ output.proxies.T).mean(0)
    logits = [
        discriminator.head(feature, labels + index).logit.float() for index in range(num_classes)
    ]
    scores = torch.stack(logits).mean(1)
    return None if torch.equal(scores, scores[:1].expand_as(scores)) else scores
