"""How long training waits for images on disk: a generated store, read in random order.

python benchmarks/disk_store.py --folder PATH --set generator.channels=8 discriminator.channels=8

The store is made once, by the code that decodes a data set, and removed at the end unless
``--keep`` is given. Before each measurement its pages are dropped from the system's cache, and
what was then read from the device is printed beside what was asked for: a wait that was short
because the pixels lay in memory shows there. A host below a virtual machine may still hold them.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from contragan.data import BatchSource, ImageDataset
from contragan.data.base import Block
from contragan.data.preprocess import Preprocess
from contragan.data.store import Store, find_or_build
from contragan.recipes.gan import build
from contragan.recipes.schema import Recipe, load_recipe
from contragan.runs.run import DatasetFacts, Run
from contragan.training.setup import Request, Setup, start_processes
from contragan.training.step import Step
from contragan.training.train import make_step

RESOLUTION = 128
CLASSES = 1000


@dataclass(frozen=True)
class RandomImages:
    """A data set of random bytes (N, 128, 128, 3), which compress to nothing less."""

    num_images: int
    class_names: tuple[str, ...] = tuple(f"class {index}" for index in range(CLASSES))
    notes: tuple[str, ...] = ()

    def key_parts(self) -> Iterable[str]:
        return [f"random images {self.num_images}"]

    def open(self, preprocess: Preprocess) -> RandomImages:
        return self

    def __len__(self) -> int:
        return self.num_images

    def read(self, start: int, stop: int) -> Block:
        """Images and labels of rows ``start`` to ``stop``."""
        random = np.random.Generator(np.random.SFC64(start))
        shape = (stop - start, RESOLUTION, RESOLUTION, 3)
        images = np.frombuffer(random.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
        return Block(images, np.arange(start, stop) % CLASSES)


def open_cold(store: Store) -> ImageDataset:
    """The store as a memory map, none of whose pages lies in this system's cache."""
    gc.collect()  # pages that an earlier map still holds would not be dropped
    descriptor = os.open(store.folder / "pixels.u8", os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    names = RandomImages(0).class_names
    pixels = store.pixels(in_memory=False)
    return ImageDataset(pixels, store.labels, names, store.fingerprint, "random", "train")


def bytes_read() -> int:
    """Bytes that this process has had read from block devices."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


@dataclass(frozen=True)
class Waits:
    """Seconds per iteration, in ``fetch`` and there for the reader; bytes asked for and read."""

    total: list[float]
    data: list[float]
    reader: float
    asked: int
    read: int

    def __str__(self) -> str:
        shares = [wait / total for wait, total in zip(self.data, self.total, strict=True)]
        return (
            f"{len(shares)} iterations of {1e3 * statistics.fmean(self.total):.1f} ms: data wait "
            f"{1e3 * statistics.fmean(self.data):.2f} ms, "
            f"{100 * sum(self.data) / sum(self.total):.3f}% (p99 {1e3 * p99(self.data):.2f} ms, "
            f"{100 * p99(shares):.3f}%), of it for the reader "
            f"{100 * self.reader / sum(self.total):.3f}%; asked for {self.asked / 1e9:.2f} GB, "
            f"read {self.read / 1e9:.2f} GB from disk"
        )


def p99(values: list[float]) -> float:
    return float(np.percentile(values, 99))


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def time_reads(batches: BatchSource) -> list[float]:
    """From now on, seconds that each batch is waited for, apart from its conversion."""
    reader, waits = batches._reader, list[float]()
    assert reader is not None
    read = reader.read

    def timed(position: int, count: int) -> object:
        start = time.perf_counter()
        found = read(position, count)
        waits.append(time.perf_counter() - start)
        return found

    setattr(reader, "read", timed)  # noqa: B010
    return waits


def train(step: Step, iterations: int, seconds: float, warm_up: int = 2) -> Waits:
    """Train as the loop does, for so many iterations or seconds.

    The data wait is the time inside ``fetch``, conversion included.
    """
    total: list[float] = []
    data: list[float] = []
    assert isinstance(step.source, BatchSource)
    reads, before = time_reads(step.source), bytes_read()
    for iteration in range(warm_up + iterations):
        if iteration > warm_up and sum(total) > seconds:
            break
        start, waited = time.perf_counter(), 0.0
        if iteration == warm_up:
            before = bytes_read()
        for index in range(step.discriminator_steps):
            update = iteration * step.discriminator_steps + index
            mark = time.perf_counter()
            parts = step.fetch(update)
            waited += time.perf_counter() - mark
            step.discriminator_step(update, parts)
        step.generator_step(iteration)
        synchronize(step.fabric.device)
        total.append(time.perf_counter() - start)
        data.append(waited)
    size = RESOLUTION * RESOLUTION * 3
    asked = (len(total) - warm_up) * step.discriminator_steps * step.batch_size * size
    reader = sum(reads[warm_up * step.discriminator_steps :])
    return Waits(total[warm_up:], data[warm_up:], reader, asked, bytes_read() - before)


def measure_training(
    recipe: Recipe, name: str, store: Store, folder: Path, iterations: int, seconds: float
) -> tuple[Waits, int]:
    """Train from a cold store; returns the waits and the images that an iteration takes."""
    dataset = open_cold(store)
    request = Request(name, recipe, out=folder)
    fabric = start_processes(request, Console(quiet=True))
    facts = DatasetFacts("random", dataset.class_names, tuple(dataset.class_counts), "", None)
    setup = Setup(fabric, Run(folder, name, recipe, 0, facts), dataset, dataset, None, Console())
    gan = build(recipe, CLASSES, 0)
    gan.move_to(fabric.device)
    step = make_step(setup, gan, 0)
    step.source.close()
    # No share of the device: 5 GB would fit on an accelerator, the 63 GB they stand for do not.
    step.source = source(dataset, fabric.device, recipe.training.batch_size)
    try:
        waits = train(step, iterations, seconds)
    finally:
        step.source.close()
    return waits, step.discriminator_steps * step.batch_size


def source(dataset: ImageDataset, device: torch.device, batch_size: int) -> BatchSource:
    return BatchSource(
        dataset, device, seed=0, horizontal_flip=True, batch_size=batch_size, device_share=0.0
    )


def measure_reader(store: Store, batch_size: int, pace: float) -> str:
    """Read a cold store with a pause of ``pace`` seconds after each batch, as if a device trained.

    Without a pause it is the rate at which batches come; with one, what the caller waits for them.
    """
    dataset = open_cold(store)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batches = source(dataset, device, batch_size)
    assert batches._reader is not None
    waits, before, start = time_reads(batches), bytes_read(), time.perf_counter()
    positions = range(0, len(dataset) - batch_size + 1, batch_size)
    for position in positions:
        batches._reader.read(position, batch_size)
        time.sleep(pace)
    seconds = time.perf_counter() - start
    batches.close()
    images = len(positions) * batch_size
    size = images * dataset.images[0].nbytes
    return (
        f"reader, {len(positions)} batches of {batch_size}, {1e3 * pace:.0f} ms after each: "
        f"{images / seconds:.0f} images/s, {size / seconds / 1e6:.0f} MB/s; wait "
        f"{100 * sum(waits) / seconds:.2f}% (mean {1e3 * statistics.fmean(waits):.2f}, p99 "
        f"{1e3 * p99(waits):.2f}, most {1e3 * max(waits):.1f} ms); asked for {size / 1e9:.2f} GB, "
        f"read {(bytes_read() - before) / 1e9:.2f} GB from disk"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="imagenet-128/contragan")
    parser.add_argument("--set", nargs="*", action="extend", default=[], dest="overrides")
    parser.add_argument("--images", type=int, default=109_000)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=120.0, help="train no longer than this")
    parser.add_argument("--paces", type=float, nargs="*", default=[0, 50], help="ms a D step")
    parser.add_argument("--reader-batch", type=int, default=256, help="the recipe's own")
    parser.add_argument("--folder", type=Path, help="where the store is made; on the disk to test")
    parser.add_argument("--keep", action="store_true", help="leave the store for another call")
    options = parser.parse_args()
    recipe = load_recipe(options.recipe, options.overrides)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="contragan-disk-store-"))
    try:
        start = time.perf_counter()
        store = find_or_build(RandomImages(options.images), Preprocess(RESOLUTION, 3, True), folder)
        print(
            f"store: {store.num_bytes / 1e9:.2f} GB, {options.images} images, made or found in "
            f"{time.perf_counter() - start:.1f} s"
        )
        for pace in options.paces:
            print(measure_reader(store, options.reader_batch, pace / 1e3), flush=True)
        waits, images = measure_training(
            recipe, options.recipe, store, folder / "run", options.iterations, options.seconds
        )
        print(f"{options.recipe} {' '.join(options.overrides)}: {waits}")
        rate = images / statistics.fmean(waits.total)
        print(f"images an iteration: {images}, so {rate:.0f} images/s were needed")
        print(
            f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}, "
            f"Python {platform.python_version()}"
        )
    finally:
        if not options.keep:
            shutil.rmtree(folder / "stores", ignore_errors=True)
            if options.folder is None:
                shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
