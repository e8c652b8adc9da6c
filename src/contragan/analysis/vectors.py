"""What a discriminator makes of real and generated images: embeddings, or features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from contragan.core.console import note
from contragan.core.types import from_uint8
from contragan.core.words import shortened
from contragan.data import ImageDataset
from contragan.models.discriminator import Discriminator
from contragan.runs.discriminator import load_discriminator
from contragan.runs.model import Model

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Vectors:
    """One checkpoint's vectors of N real and N generated images with the same ``labels`` (N,).

    ``kind`` is "embeddings" (N, E), or "features" (N, D) where D's head makes no embeddings.
    ``proxies`` (K, E) are those of the chosen classes; None where there are none, or where the
    conditioning does not read labels.
    """

    model: Model
    title: str
    kind: str
    real: Rows
    generated: Rows
    labels: Labels
    proxies: Rows | None

    @property
    def parts(self) -> list[Rows]:
        return [self.real, self.generated, *([] if self.proxies is None else [self.proxies])]

    @property
    def own_proxy(self) -> tuple[float, float] | None:
        """Shares of real and generated images that are nearest, by cosine, to their own proxy."""
        if self.proxies is None:
            return None
        nearest = [(rows @ self.proxies.T).argmax(1) for rows in (self.real, self.generated)]
        real, generated = (float((found == self.labels).mean()) for found in nearest)
        return real, generated


def picked(
    train: ImageDataset, chosen: Sequence[int], per_class: int, seed: int, console: Console
) -> tuple[Tensor, Labels]:
    """Training images of the chosen classes (N, C, H, W) uint8, and their places among these."""
    random = np.random.default_rng(seed)
    rows, labels, short = [], [], []
    for place, index in enumerate(chosen):
        members = np.flatnonzero(train.labels == index)
        if len(members) < per_class:
            short.append(f"{train.class_names[index]} ({len(members)})")
        picked = np.sort(random.permutation(members)[:per_class])
        rows.append(picked)
        labels.append(np.full(len(picked), place, dtype=np.int64))
    if short:
        note(console, f"note: fewer than {per_class} training images: {shortened(short)}")
    images = torch.from_numpy(np.ascontiguousarray(train.images[np.concatenate(rows)]))
    return images.permute(0, 3, 1, 2), np.concatenate(labels)


def vectors_of(
    model: Model, title: str, chosen: Sequence[int], real: Tensor, labels: Labels, seed: int
) -> Vectors:
    """D's vectors of the real images and of as many generated ones with the same labels."""
    network = load_discriminator(model)
    indices = torch.tensor(chosen)[torch.from_numpy(labels)]
    generated = torch.cat(list(model.batches(indices, seed=seed)))
    kind, of_real, proxies = _passed(network, real, indices)
    _, of_generated, _ = _passed(network, generated, indices)
    if not model.run.recipe.conditioning.reads_labels or proxies is None:
        return Vectors(model, title, kind, of_real, of_generated, labels, None)
    return Vectors(model, title, kind, of_real, of_generated, labels, proxies[list(chosen)])


def cosine(these: Rows, those: Rows) -> float:
    """The mean cosine between rows (N, E) of the same place.

    >>> cosine(np.array([[1, 0], [0, 2]]), np.array([[3, 0], [1, 0]]))
    0.5
    """
    lengths = np.linalg.norm(these, axis=1) * np.linalg.norm(those, axis=1)
    return float(((these * those).sum(1) / np.maximum(lengths, 1e-12)).mean())


@torch.no_grad()
def _passed(
    network: Discriminator, images: Tensor, labels: Tensor
) -> tuple[str, Rows, Rows | None]:
    """("embeddings" or "features", vectors (N, E), proxies (K, E)) of uint8 images (N, C, H, W)."""
    device = next(network.parameters()).device
    kind, parts, proxies = "features", [], None
    for some, label in zip(images.split(256), labels.split(256), strict=True):
        feature = network.trunk(from_uint8(some).to(device))
        output = network.head(feature, label.to(device))
        if output.embedding is not None:
            kind = "embeddings"
        parts.append((feature if output.embedding is None else output.embedding).float().cpu())
        proxies = None if output.proxies is None else output.proxies.float().cpu().numpy()
    return kind, torch.cat(parts).numpy(), proxies
