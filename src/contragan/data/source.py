"""Batches of real images on the training device."""

from __future__ import annotations

import mmap
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from contragan.data.base import ImageDataset, Labels, Pixels
from contragan.data.memory import fits_on_device
from contragan.data.sampler import EpochSampler, coin_flips
from contragan.errors import UserError
from contragan.types import Batch

DEVICE_SHARE = 0.4
READERS = 4
BATCHES_AHEAD = 8


class BatchSource:
    """Serves the endless shuffled sequence of training images as batches on ``device``.

    The pixels stay uint8 on the device where they take at most ``device_share`` of its free memory
    and the images are in memory already on a CPU; otherwise threads read ahead into buffers, pinned
    for CUDA. Gather, flip and conversion run on the device, and nothing waits for it.

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
        self.sampler = EpochSampler(len(dataset), seed)
        self._labels = dataset.labels
        self._resident: tuple[Tensor, Tensor] | None = None
        self._reader: _Reader | None = None
        if _can_reside(dataset, device, device_share):
            images = _upload(dataset.images, device)
            self._resident = images, torch.from_numpy(dataset.labels).to(device)
        else:
            self._reader = _Reader(dataset.images, self.sampler, pin=device.type == "cuda")

    @property
    def is_resident(self) -> bool:
        """Whether all pixels lie on the device."""
        return self._resident is not None

    def batch(self, position: int, count: int | None = None) -> Batch:
        """The ``count`` (default: batch size) images from ``position`` of the sequence on."""
        count = self.batch_size if count is None else count
        if self._resident is not None:
            images, labels = self._resident
            index, rows = self._to_device(position, self.sampler.indices(position, count))
            pixels = images.index_select(0, index)
            label = labels.index_select(0, index)
        else:
            assert self._reader is not None
            read = self._reader.read(position, count)
            pixels = read.pixels.to(self.device, non_blocking=True)
            label, rows = self._to_device(position, self._labels[read.indices])
        return Batch(self._finish(pixels, rows), label)

    def close(self) -> None:
        """Stop reading ahead."""
        if self._reader is not None:
            self._reader.close()

    def _to_device(self, position: int, values: Labels) -> tuple[Tensor, Tensor | None]:
        """int64 ``values`` (B,) beside :meth:`_finish`'s ``rows`` (B,), in one copy."""
        size = len(values)
        num_rows = 2 if self.horizontal_flip else 1
        pin = self.device.type == "cuda"
        # Pinned blocks come from PyTorch's cache, which waits for the copy before it reuses one.
        packed = torch.empty((num_rows, size), dtype=torch.int64, pin_memory=pin)
        packed[0] = torch.from_numpy(np.array(values))
        if self.horizontal_flip:
            rows = np.arange(size) + size * coin_flips(self.seed, position, size)
            packed[1] = torch.from_numpy(rows)
        packed = packed.to(self.device, non_blocking=True)
        return packed[0], packed[1] if self.horizontal_flip else None

    def _finish(self, pixels: Tensor, rows: Tensor | None) -> Tensor:
        """(B, H, W, C) uint8 to (B, C, H, W) in [-1, 1], the same values as ``from_uint8``.

        ``rows`` (B,) pick from the images followed by their mirror images.
        """
        if rows is not None:
            # Copying rows is ten times as fast as torch.where on bytes.
            pixels = torch.cat([pixels, pixels.flip(2)]).index_select(0, rows)
        # NHWC pixels seen as NCHW are channels_last without a copy.
        images = torch.div(pixels.permute(0, 3, 1, 2), 127.5).sub_(1)
        return images if self.channels_last else images.contiguous()


def _can_reside(dataset: ImageDataset, device: torch.device, share: float) -> bool:
    if device.type == "cpu":
        return not isinstance(dataset.images, np.memmap)
    return fits_on_device(dataset.images.nbytes, device, share)


def _upload(images: Pixels, device: torch.device) -> Tensor:
    if device.type == "cpu":
        return torch.from_numpy(images)
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

    def __init__(self, images: Pixels, sampler: EpochSampler, pin: bool) -> None:
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
        if self._map is None or not hasattr(mmap, "MADV_WILLNEED"):
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
