"""The measurement: our step and the plain one, in turns, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import torch
from rich.console import Console
from torch.utils.flop_counter import FlopCounterMode

from contragan.bench.images import synthetic, synthetic_count, training_images
from contragan.bench.memory import check_memory, forget_peak, peak_memory
from contragan.bench.profile import Operator, operators
from contragan.bench.reference import ReferenceStep, reference_step
from contragan.bench.result import BenchResult, Times
from contragan.core.allocation import keep_freed_memory
from contragan.core.console import note, progress_bar
from contragan.core.errors import UserError
from contragan.data import ImageDataset
from contragan.recipes.gan import build
from contragan.recipes.schema import Recipe
from contragan.runs.run import DatasetFacts, Run
from contragan.training.captured import WARMUP
from contragan.training.ema import EMA
from contragan.training.setup import Request, Setup, StepKind, bf16_is_fast, start_processes
from contragan.training.step import Step
from contragan.training.terms import TermMeter
from contragan.training.train import make_step

CLASSES = {"cifar100": 100, "tiny_imagenet": 200, "imagenet": 1000}
"""Number of classes of synthetic data, where it is not ten."""

TURN = 5
"""Iterations that a step makes before it is the other's turn."""


PROFILED = 5
"""Iterations of a profile."""


@dataclass(frozen=True)
class BenchRequest:
    """What ``contragan bench`` was asked for."""

    name: str
    recipe: Recipe
    data: Path | None = None
    iterations: int = 10
    warmup: int = 2
    seed: int = 0
    step: StepKind = "eager"
    profile: bool = False
    skip_unreadable: bool = False
    report: Path | None = None

    @property
    def warmups(self) -> int:
        """Iterations of our step before the measurement."""
        return max(self.warmup, WARMUP + 1)

    @property
    def all_iterations(self) -> int:
        """Iterations of both steps, counted or not; each turn begins with one that is not."""
        turns = -(-self.iterations // TURN)
        profiled = (PROFILED + 1) * self.profile
        return self.warmups + self.warmup + 2 * (self.iterations + turns) + profiled


class Clock:
    """Seconds of what runs on a device, waiting for it on both sides."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def of(self, work: Callable[[], object]) -> float:
        """Seconds that ``work`` takes."""
        start = self.now()
        work()
        return self.now() - start


class Runner:
    """Runs whole iterations of a step as the training loop does, and keeps their times.

    ``keeps_memory`` says whether it runs with the allocator's setting that training has, and
    ``tick`` is called after each iteration.
    """

    def __init__(
        self,
        step: Step,
        ema: EMA | None,
        keeps_memory: bool = True,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.keeps_memory = keeps_memory
        self.tick = tick
        self.step = step
        self.ema = ema
        self.times = Times()
        self.done = 0
        self.clock = Clock(step.fabric.device)
        self.meters = [TermMeter(name, step.fabric.device) for name in ("d", "g")]

    def turn(self, iterations: int) -> None:
        """Some iterations, after one that is not counted: it finds memory as the other left it."""
        self._begin()
        for _ in range(iterations):
            self.iterate()

    def profile(self, iterations: int) -> list[Operator]:
        """The operators of some iterations, which are not counted."""
        self._begin()
        with self._uncounted():
            return operators(self.iterate, iterations, self.clock.device)

    def _begin(self) -> None:
        keep_freed_memory(self.keeps_memory)
        with self._uncounted():
            self.iterate()

    @contextmanager
    def _uncounted(self) -> Iterator[None]:
        counted, self.times = self.times, Times()
        try:
            yield
        finally:
            self.times = counted

    def iterate(self) -> None:
        """One iteration."""
        steps, now = self.step.discriminator_steps, self.clock.now
        data = discriminator = 0.0
        start = mark = now()
        for index in range(steps):
            update = self.done * steps + index
            parts = self.step.fetch(update)
            data, mark = data + (at := now()) - mark, at
            terms = self.step.discriminator_step(update, parts)
            discriminator, mark = discriminator + (at := now()) - mark, at
            self.meters[0].add(terms, self.done)
        mark = now()
        terms = self.step.generator_step(self.done)
        generator = now() - mark
        self.meters[1].add(terms, self.done)
        self.done += 1
        mark = now()
        if self.ema is not None:
            self.ema.update(self.done)
        end = now()
        times = self.times
        times.data.append(data)
        times.discriminator.append(discriminator / steps)
        times.generator.append(generator)
        times.ema.append(end - mark)
        times.total.append(end - start)
        self.tick()

    def flops(self) -> int:
        """Floating-point operations of an iteration's steps, counted in one of each."""
        parts = self.step.fetch(0)
        with FlopCounterMode(display=False) as one:
            self.step.discriminator_step(0, parts)
        with FlopCounterMode(display=False) as other:
            self.step.generator_step(0)
        steps = self.step.discriminator_steps
        return int(steps * one.get_total_flops() + other.get_total_flops())

    def check(self) -> None:
        """Raise UserError where a loss was not finite: such a step's time means nothing."""
        for meter in self.meters:
            meter.check()


def bench(request: BenchRequest, console: Console) -> BenchResult:
    """Measure a recipe's training step against the plain one, in turns.

    Raises:
        UserError: bad data, or more memory needed than is free.
    """
    setup, estimate = set_up(request, console)
    with progress_bar(console) as progress:
        return _measure(request, setup, estimate, progress)


def _measure(
    request: BenchRequest, setup: Setup, estimate: int, progress: Callable[[str, int, int], None]
) -> BenchResult:
    training, fabric, device = request.recipe.training, setup.fabric, setup.fabric.device
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress("measuring, iterations", done, request.all_iterations)

    forget_peak(device)
    ours = Runner(*our_step(setup, request.seed, request.step), tick=tick)
    flops = ours.flops()  # counted first: a captured step's operations are not seen later
    for _ in range(request.warmups):
        ours.iterate()
    peak = peak_memory(device)
    plain = Runner(plain_step(ours.step, setup), None, keeps_memory=False, tick=tick)
    plain.turn(request.warmup - 1)
    reference_flops = plain.flops()
    ours.times, plain.times = Times(), Times()
    rates = [matmul_rate(ours.step)]
    for start in range(0, request.iterations, TURN):
        for runner in (ours, plain):
            runner.turn(min(TURN, request.iterations - start))
    rates.append(matmul_rate(ours.step))
    found = ours.profile(PROFILED) if request.profile else []
    for runner in (ours, plain):
        runner.check()
    ours.step.source.close()
    return BenchResult(
        recipe=request.name,
        batch_size=training.batch_size,
        images=training.batch_size * training.discriminator_steps,
        iterations=request.iterations,
        precision=str(fabric._precision.precision),
        times=ours.times,
        reference=plain.times,
        discriminator_steps=training.discriminator_steps,
        flops=flops,
        reference_flops=reference_flops,
        matmul_flops_per_second=max(rates),
        peak_memory_bytes=peak,
        estimated_memory_bytes=estimate,
        synthetic=request.data is None,
        device=torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        threads=torch.get_num_threads(),
        total_iterations=training.total_iterations,
        operators=found,
    )


def set_up(request: BenchRequest, console: Console) -> tuple[Setup, int]:
    """The device and the images, and the bytes of memory that the measurement is likely to take.

    Raises:
        UserError: bad data, or more memory needed than is free.
    """
    recipe = request.recipe
    fabric = start_processes(Request(request.name, recipe, seed=request.seed), console)
    device = fabric.device
    if recipe.training.precision == "bf16" and not bf16_is_fast(device):
        note(console, "note: this machine has no bf16 arithmetic of its own, measuring in fp32")
    num_classes = len(recipe.data.classes or ()) or CLASSES.get(recipe.data.kind, 10)
    if request.data is None:
        pixels = synthetic_count(recipe) * prod(recipe.data.image_shape)
        estimate = check_memory(recipe, num_classes, device, pixels)
        dataset = synthetic(recipe, num_classes)
    else:
        dataset = training_images(
            recipe,
            request.data,
            console,
            skip_unreadable=request.skip_unreadable,
            report=request.report,
        )
        estimate = check_memory(recipe, dataset.num_classes, device, 0)
    return Setup(fabric, _run(request, dataset), dataset, dataset, None, console), estimate


def bench_batches(
    request: BenchRequest, batches: str | None, console: Console
) -> Iterator[BenchResult]:
    """:func:`bench` at the recipe's batch size, or at each of some, written ``"16,64"``.

    Raises:
        UserError: before anything runs where one of them is not a batch size, and as bench does.
    """
    for sized in [request] if batches is None else _sized(request, batches):
        yield bench(sized, console)


def _sized(request: BenchRequest, batches: str) -> list[BenchRequest]:
    training = request.recipe.training
    requests = []
    for word in batches.split(","):
        size = int(word) if word.strip().isdecimal() else 0
        if size < 2 or size % training.accumulation_steps:
            raise UserError(
                f"--batches {batches}: '{word.strip()}' is not a whole number of two or more that "
                f"training.accumulation_steps {training.accumulation_steps} divides; "
                "write for example --batches 16,64"
            )
        changed = training.model_copy(update={"batch_size": size})
        recipe = request.recipe.model_copy(update={"training": changed})
        requests.append(replace(request, recipe=recipe))
    return requests


def our_step(setup: Setup, seed: int, kind: StepKind = "eager") -> tuple[Step, EMA | None]:
    """The step and the moving average that ``contragan train`` would run."""
    recipe = setup.run.recipe
    gan = build(recipe, setup.train.num_classes, seed)
    gan.move_to(setup.fabric.device)
    ema = EMA(gan.generator, recipe.training.ema) if recipe.training.ema else None
    return make_step(setup, gan, seed, kind), ema


def plain_step(step: Step, setup: Setup) -> ReferenceStep:
    """The plain step beside ours: from the same initial weights, with the same draws."""
    gan = build(setup.run.recipe, setup.train.num_classes, step.seed)
    for network in (gan.generator, gan.discriminator):
        network.to(setup.fabric.device)
    return reference_step(step, gan, setup.run.recipe.training)


def matmul_rate(step: Step, repeats: int = 5) -> float:
    """FLOP/s of a large matrix product, on the step's device and in its precision: the best."""
    device = step.fabric.device
    size = 8192 if device.type == "cuda" else 1024
    with step.fabric.autocast():
        left, right = torch.randn(2, size, size, device=device)
        left @ right
        seconds = min(Clock(device).of(lambda: left @ right) for _ in range(repeats))
    return 2 * size**3 / seconds


def _run(request: BenchRequest, dataset: ImageDataset) -> Run:
    """A run for the step's setup; none of it is written."""
    counts = tuple(int(count) for count in dataset.class_counts)
    facts = DatasetFacts(dataset.name, dataset.class_names, counts, dataset.fingerprint, None)
    return Run(Path(), request.name, request.recipe, request.seed, facts)
