from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contragan.core.errors import UserError
from contragan.core.types import from_uint8, to_uint8
from contragan.data import BatchSource, EpochSampler, ImageDataset
from contragan.data.convert import convert_on_cpu, convert_on_device
from contragan.data.sampler import coin_flips

Load = Callable[..., ImageDataset]
CPU = torch.device("cpu")


@pytest.fixture(params=["memory", "mapped"])
def dataset(request: pytest.FixtureRequest, tree: Path, load: Load) -> ImageDataset:
    return load(tree, memory_share=0.5 if request.param == "memory" else 0.0)


@pytest.fixture
def make() -> Iterator[Callable[..., BatchSource]]:
    sources: list[BatchSource] = []

    def call(dataset: ImageDataset, **settings: Any) -> BatchSource:
        values = {"seed": 1, "horizontal_flip": True, "batch_size": 4, **settings}
        sources.append(BatchSource(dataset, CPU, **values))
        return sources[-1]

    yield call
    for source in sources:
        source.close()


def test_images_labels_and_flips(dataset: ImageDataset, make: Callable[..., BatchSource]) -> None:
    source = make(dataset)
    assert source.is_resident != isinstance(dataset.images, np.memmap)
    flipped = 0
    for position in range(0, 36, 4):
        batch = source.batch(position)
        indices = EpochSampler(18, seed=1).indices(position, 4)
        flips = coin_flips(1, position, 4)
        flipped += int(flips.sum())
        pixels = np.stack(
            [
                dataset.images[i][:, ::-1] if f else dataset.images[i]
                for i, f in zip(indices, flips, strict=True)
            ]
        )
        expected = from_uint8(torch.from_numpy(pixels).permute(0, 3, 1, 2))
        assert torch.equal(batch.images, expected)
        assert batch.labels.tolist() == dataset.labels[indices].tolist()
        assert batch.index is not None
        assert batch.index.tolist() == indices.tolist()
    assert 8 < flipped < 28


def test_pixels_survive_the_round_trip(
    dataset: ImageDataset, make: Callable[..., BatchSource]
) -> None:
    source = make(dataset, horizontal_flip=False)
    batch = source.batch(0, 18)
    order = np.argsort(source.sampler.indices(0, 18))
    pixels = to_uint8(batch.images).permute(0, 2, 3, 1).numpy()[order]
    np.testing.assert_array_equal(pixels, dataset.images)


@pytest.mark.parametrize("channels_last", [True, False])
def test_memory_format(
    dataset: ImageDataset, make: Callable[..., BatchSource], channels_last: bool
) -> None:
    images = make(dataset, channels_last=channels_last).batch(0).images
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert images.shape == (4, 3, 16, 16)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=layout)


def test_a_batch_is_its_parts(dataset: ImageDataset, make: Callable[..., BatchSource]) -> None:
    whole = make(dataset).batch(10, 12)
    source = make(dataset)
    parts = [source.batch(position, 4) for position in (10, 14, 18)]
    assert torch.equal(whole.images, torch.cat([part.images for part in parts]))
    assert torch.equal(whole.labels, torch.cat([part.labels for part in parts]))


def test_resuming_anywhere_gives_the_same(
    dataset: ImageDataset, make: Callable[..., BatchSource]
) -> None:
    source = make(dataset)
    through = [source.batch(position) for position in range(0, 80, 4)]
    # Jumps, strides of several processes, and the same position twice.
    other = make(dataset)
    for step in (13, 14, 3, 5, 7, 9, 11, 11, 0, 19):
        batch = other.batch(4 * step)
        assert torch.equal(batch.images, through[step].images)
        assert torch.equal(batch.labels, through[step].labels)


def test_reader_is_ahead_and_forgets_what_is_not_asked_for(
    tree: Path, load: Load, make: Callable[..., BatchSource]
) -> None:
    source = make(load(tree, memory_share=0.0))
    reader = source._reader
    assert reader is not None
    for position in range(0, 400, 16):  # as one of four processes
        source.batch(position, 4)
        assert len(reader._ahead) <= 8
    assert min(reader._ahead) == (400, 4)
    deadline = time.monotonic() + 10
    while not all(future.done() for future in reader._ahead.values()):
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("flip", [True, False])
def test_both_conversions_agree(channels: int, flip: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 8, 8, channels), np.uint8)
    flips = np.arange(9) % 3 == 1 if flip else None
    rows = None if flips is None else torch.from_numpy(np.arange(9) + 9 * flips)
    on_device = convert_on_device(torch.from_numpy(pixels), rows)
    assert torch.equal(convert_on_cpu(pixels.copy(), flips), on_device)


def test_grey_images(load: Load, make: Callable[..., BatchSource]) -> None:
    source = make(load(None, kind="digits", channels=1), batch_size=64)
    batch = source.batch(1400)
    assert batch.images.shape == (64, 1, 16, 16)
    assert batch.images.min() == -1
    assert batch.images.max() == 1


def test_fewer_images_than_a_batch(dataset: ImageDataset) -> None:
    with pytest.raises(UserError, match=r"has 18 train images, fewer than .*batch_size 19"):
        BatchSource(dataset, CPU, seed=0, horizontal_flip=False, batch_size=19)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("share", [0.4, 0.0])
def test_cuda_gives_the_same_without_waiting(
    dataset: ImageDataset, make: Callable[..., BatchSource], share: float
) -> None:
    source = BatchSource(
        dataset,
        torch.device("cuda"),
        seed=1,
        horizontal_flip=True,
        batch_size=4,
        device_share=share,
    )
    assert source.is_resident == (share > 0)
    source.batch(0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = [source.batch(position) for position in range(0, 80, 4)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
        source.close()
    expected = make(dataset)
    for index, batch in enumerate(batches):
        torch.testing.assert_close(batch.images.cpu(), expected.batch(4 * index).images)
