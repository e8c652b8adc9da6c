"""Batches of real images on the training device."""

from __future__ import annotations

import mmap
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contragan.core.errors import UserError
from contragan.core.memory import fits_on_device
from contragan.core.types import Batch
from contragan.data.base import ImageDataset, Labels, Pixels
from contragan.data.convert import convert_on_cpu, convert_on_device
from contragan.data.sampler import BalancedSampler, EpochSampler, Sampling, coin_flips

DEVICE_SHARE = 0.4
READERS = 4
BATCHES_AHEAD = 8


class BatchSource:
    """Serves the endless shuffled sequence of training images as batches on ``device``.

    ``sampling`` says whether images come equally often, or classes.

    An accelerator holds the pixels as uint8 where they take at most ``device_share`` of its free
    memory, a CPU where the data set is in memory; otherwise threads read ahead into buffers, pinned
    for CUDA. Flip and conversion run on the device, and nothing waits for it.

    Any batch depends on (seed, position, count) only. Flips belong to positions, so a batch equals
    the concatenation of its parts.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        device: torch.device,
        *,
        seed: int,
        horizontal_flip: bool,
        batch_size: int,
        sampling: Sampling = "natural",
        channels_last: bool = True,
        device_share: float = DEVICE_SHARE,
    ) -> None:
        if len(dataset) < batch_size:
            raise UserError(
                f"{dataset.name} has {len(dataset)} {dataset.split} images, fewer than "
                f"training.batch_size {batch_size}: lower it or add images"
            )
        self.device = device
        self.seed = seed
        self.horizontal_flip = horizontal_flip
        self.batch_size = batch_size
        self.channels_last = channels_last
        self.sampler = (
            BalancedSampler(dataset.labels, seed)
            if sampling == "balanced"
            else EpochSampler(len(dataset), seed)
        )
        self._images, self._labels = dataset.images, dataset.labels
        self._resident: tuple[Tensor, Tensor] | None = None
        self._reader: _Reader | None = None
        if not _can_reside(dataset, device, device_share):
            self._reader = _Reader(dataset.images, self.sampler, pin=device.type == "cuda")
        elif device.type != "cpu":
            labels = torch.from_numpy(dataset.labels).to(device)
            self._resident = _upload(dataset.images, device), labels

    @property
    def is_resident(self) -> bool:
        """Whether all pixels lie in the device's memory."""
        return self._reader is None

    def batch(self, position: int, count: int | None = None) -> Batch:
        """The ``count`` (default: batch size) images from ``position`` of the sequence on."""
        count = self.batch_size if count is None else count
        read = None if self._reader is None else self._reader.read(position, count)
        indices = self.sampler.indices(position, count) if read is None else read.indices
        flips = coin_flips(self.seed, position, count) if self.horizontal_flip else None
        if self.device.type == "cpu":
            pixels = self._images[indices] if read is None else read.pixels.numpy()
            images = convert_on_cpu(pixels, flips)
            label = torch.from_numpy(self._labels[indices])
            index = torch.tensor(indices)  # a copy: these are a piece of the epoch's order
        elif self._resident is not None:
            index, rows = self._to_device(indices, flips)
            images = convert_on_device(self._resident[0].index_select(0, index), rows)
            label = self._resident[1].index_select(0, index)
        else:
            assert read is not None
            label, rows = self._to_device(self._labels[indices], flips)
            index, _ = self._to_device(indices, None)
            images = convert_on_device(read.pixels.to(self.device, non_blocking=True), rows)
        return Batch(images if self.channels_last else images.contiguous(), label, index)

    def close(self) -> None:
        """Stop reading ahead."""
        if self._reader is not None:
            self._reader.close()

    def _to_device(
        self, values: Labels, flips: NDArray[np.bool_] | None
    ) -> tuple[Tensor, Tensor | None]:
        """int64 ``values`` (B,), and the rows :func:`convert_on_device` wants, in one copy."""
        size = len(values)
        pin = self.device.type == "cuda"
        # Pinned blocks come from PyTorch's cache, which waits for the copy before it reuses one.
        packed = torch.empty((2, size), dtype=torch.int64, pin_memory=pin)
        packed.numpy()[0] = values
        packed.numpy()[1] = np.arange(size) + (0 if flips is None else size * flips)
        packed = packed.to(self.device, non_blocking=True)
        return packed[0], None if flips is None else packed[1]


def _can_reside(dataset: ImageDataset, device: torch.device, share: float) -> bool:
    if device.type == "cpu":
        return not isinstance(dataset.images, np.memmap)
    return fits_on_device(dataset.images.nbytes, device, share)


def _upload(images: Pixels, device: torch.device) -> Tensor:
    resident = torch.empty(images.shape, dtype=torch.uint8, device=device)
    # In pieces, so that a memory map does not pass through memory as a whole.
    step = max(1, 2**26 // max(images[0].nbytes, 1))
    for start in range(0, len(images), step):
        piece = torch.from_numpy(np.array(images[start : start + step]))
        resident[start : start + step].copy_(piece)
    return resident


class _Read(NamedTuple):
    pixels: Tensor
    indices: Labels


class _Reader:
    """Reads batches from main memory or disk, ahead of when they are asked for.

    It expects the distance of the last two positions to go on; another position is read at once.
    """

    def __init__(self, images: Pixels, sampler: EpochSampler | BalancedSampler, pin: bool) -> None:
        self._images = images
        self._map: mmap.mmap | None = getattr(images, "_mmap", None)
        self._sampler = sampler
        self._pin = pin
        self._pool = ThreadPoolExecutor(READERS, "read")
        self._ahead: dict[tuple[int, int], Future[_Read]] = {}
        self._last: tuple[int, int] | None = None

    def read(self, position: int, count: int) -> _Read:
        stride = count
        if self._last is not None and position > self._last[0]:
            stride = position - self._last[0]
        self._last = (position, count)
        future = self._ahead.pop((position, count), None)
        if future is None:
            self._cancel()  # or it would wait behind batches that nobody asks for
            future = self._pool.submit(self._load, position, count)
        expected = [(position + step * stride, count) for step in range(1, BATCHES_AHEAD + 1)]
        for key in self._ahead.keys() - set(expected):
            self._ahead.pop(key).cancel()
        for key in expected:
            if key not in self._ahead:
                self._ahead[key] = self._pool.submit(self._load, *key)
        return future.result()

    def _load(self, position: int, count: int) -> _Read:
        indices = self._sampler.indices(position, count)
        self._announce(indices)
        shape = (count, *self._images.shape[1:])
        pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=self._pin)
        # "clip" writes straight into the buffer; the indices are valid.
        np.take(self._images, indices, axis=0, out=pixels.numpy(), mode="clip")
        return _Read(pixels, indices)

    def _announce(self, indices: Labels) -> None:
        """Have the system fetch all rows at once, rather than a page whenever one is missing."""
        if self._map is None or sys.platform == "win32":
            return
        size = self._images[0].nbytes
        for start in (indices * size).tolist():
            first = start - start % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, first, start + size - first)

    def _cancel(self) -> None:
        for future in self._ahead.values():
            future.cancel()
        self._ahead.clear()

    def close(self) -> None:
        self._cancel()
        self._pool.shutdown(wait=True)
