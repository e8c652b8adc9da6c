"""What an iteration of a recipe takes here, from a few of them."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from statistics import median

import torch
from rich.console import Console

from contragan.bench.measure import BenchRequest, Runner, our_step, set_up
from contragan.bench.memory import estimate_memory
from contragan.core.devices import find_device
from contragan.core.memory import free_memory
from contragan.core.resolution import Resolution, height_width
from contragan.features.extractor import FeatureExtractor
from contragan.recipes.gan import build
from contragan.recipes.schema import Recipe
from contragan.training.room import weight_bytes

LONGEST, FEWEST, MOST = 12.0, 3, 12
"""Seconds after which a measurement ends, and the least and most iterations of one."""

BATCH = 32

CHECKPOINTS = 4
"""At most so many lie on the disk at once: the two newest, the best, and one being written."""


@dataclass(frozen=True)
class Cost:
    """Of a recipe: seconds per iteration here, bytes of memory in training and of checkpoints."""

    seconds: float
    memory: int
    disk: int


def cost(recipe: Recipe, num_classes: int) -> Cost | None:
    """Measure a few iterations on noise; None where the networks do not fit in memory."""
    memory = estimate_memory(recipe, num_classes).total
    if memory > free_memory(find_device("auto")):
        return None
    setup, _ = set_up(BenchRequest("init", recipe), Console(file=io.StringIO()))
    step, ema = our_step(setup, 0)
    runner = Runner(step, ema)
    try:
        runner.iterate()  # builds kernels and fills the allocator: not counted where others can be
        first = runner.times.total.copy()
        if first[0] < LONGEST:
            runner.times.total.clear()
            while len(runner.times.total) < MOST:
                runner.iterate()
                times = runner.times.total
                if sum(times) > LONGEST and len(times) >= FEWEST:
                    break
        runner.check()
    finally:
        step.source.close()
    with torch.device("meta"):
        gan = build(recipe, num_classes, seed=0)
    generator, discriminator = weight_bytes(gan.generator), weight_bytes(gan.discriminator)
    return Cost(
        seconds=median(runner.times.total),
        memory=memory,
        disk=CHECKPOINTS * (4 * generator + 3 * discriminator),
    )


def feature_seconds(extractor: FeatureExtractor, size: Resolution) -> float:
    """Seconds that the features of one image take, in batches as evaluations have them."""
    images = torch.zeros(BATCH, 3, *height_width(size), dtype=torch.uint8)
    extractor(images[:2])
    start = time.perf_counter()
    extractor(images)
    return (time.perf_counter() - start) / BATCH
