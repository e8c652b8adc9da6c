"""Labelled images in memory, and parts of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class LabelledImages(Protocol):
    """Labelled images: uint8 (N, H, W, C) and labels (N,).

    ``fingerprint`` names the content: equal fingerprints must mean equal images in equal order.
    A data set of ``contragan.data`` is one as it stands.
    """

    @property
    def images(self) -> NDArray[np.uint8]: ...
    @property
    def labels(self) -> NDArray[np.int64]: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def split(self) -> str: ...


@dataclass(frozen=True)
class ImageSet:
    """A :class:`LabelledImages` held in memory."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    fingerprint: str
    name: str
    split: str


def shown_name(images: LabelledImages) -> str:
    """What a set is called in tables and messages, also where it has no name."""
    return images.name.strip() or "unnamed images"


def same_images(first: LabelledImages, second: LabelledImages) -> bool:
    """Whether two sets are one."""
    return (first.fingerprint, first.split) == (second.fingerprint, second.split)


def image_batch(images: NDArray[np.uint8], rows: NDArray[np.int64] | slice) -> Tensor:
    """Rows of (N, H, W, C) images as a tensor (B, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(images[rows])).permute(0, 3, 1, 2)


def stratified(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Sorted indices of ``count`` samples whose class shares are those of ``labels``.

    All indices where ``count`` is at least their number.
    """
    labels = np.asarray(labels)
    if count >= len(labels):
        return np.arange(len(labels))
    sizes = apportion(np.bincount(labels), count)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    picked = [order[labels[order] == label][:size] for label, size in enumerate(sizes.tolist())]
    return np.sort(np.concatenate(picked))


def apportion(weights: NDArray[Any], total: int) -> NDArray[np.int64]:
    """``total`` split in proportion to ``weights`` by largest remainders; ties to the first."""
    exact = np.asarray(weights, dtype=np.float64) * total / np.sum(weights)
    whole: NDArray[np.int64] = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(whole - exact, kind="stable")
    whole[order[: total - whole.sum()]] += 1
    return whole
