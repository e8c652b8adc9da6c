"""One training run from a recipe: setup, wire, fit."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from lightning.fabric import Fabric
from rich.console import Console

from contragan.allocation import keep_freed_memory
from contragan.augmentation import Augmentation
from contragan.build import GAN, build
from contragan.console import is_abandoned, note
from contragan.data import BatchSource, ImageDataset, LabelSampler
from contragan.distributed import share_buffers, world_size
from contragan.errors import UserError
from contragan.evaluation import SHOWN, Evaluator, extractor_for, load_splits
from contragan.files import check_writable
from contragan.images import labelled_grid, save_image
from contragan.metrics import FeatureExtractor, Ranks, metric_lines
from contragan.networks import Generator
from contragan.recipe import AdamConfig, Recipe
from contragan.runs.log import MetricsLog
from contragan.runs.run import DatasetFacts, Run
from contragan.sampling import ImageSampler
from contragan.training.captured import CapturedStep, why_not_captured
from contragan.training.display import Display
from contragan.training.ema import EMA
from contragan.training.loop import Loop, Score
from contragan.training.objective import Objective
from contragan.training.resume import check_folder, find_checkpoint
from contragan.training.room import check_room, memory_explained
from contragan.training.step import Step
from contragan.training.stop import Stop

T = TypeVar("T")

StepKind = Literal["eager", "compiled", "captured"]
"""How a step runs: operation by operation, networks through torch.compile, or as CUDA graphs."""


@dataclass(frozen=True)
class Request:
    """What ``contragan train`` was asked for."""

    name: str
    recipe: Recipe
    data: Path | None = None
    seed: int = 0
    out: Path | None = None
    resume: bool = False
    max_minutes: float | None = None
    skip_unreadable: bool = False
    devices: int = 1
    nodes: int = 1
    step: StepKind = "eager"

    @property
    def folder(self) -> Path:
        if self.out is not None:
            return self.out
        is_file = self.name.endswith((".yaml", ".yml"))
        return Path("runs") / (Path(self.name).stem if is_file else self.name) / str(self.seed)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    folder: Path
    iteration: int
    stopped: str | None
    exit_code: int
    last_grid: Path | None
    scores: dict[str, float]

    def lines(self) -> list[str]:
        """What to tell the user at the end."""
        end = f"{self.stopped}; saved" if self.stopped else "finished"
        lines = [f"{end} at iteration {self.iteration}"]
        if self.scores:
            lines.append("  ".join(f"{name} {value:.4g}" for name, value in self.scores.items()))
        if self.last_grid:
            lines.append(f"pictures: {self.last_grid} (a row a class)")
        lines.append(f"run: {self.folder}")
        if self.stopped:
            lines.append("go on: the same command with --resume")
        return lines


@dataclass(frozen=True)
class Setup:
    """What a run stands on: its processes, its data, and the features it is scored by, if it is."""

    fabric: Fabric
    run: Run
    train: ImageDataset
    test: ImageDataset
    checkpoint: Path | None
    console: Console
    extractor: FeatureExtractor | None = None


def train(request: Request, console: Console) -> Outcome:
    """Train a recipe to its end, or until a signal or the time limit stops it.

    Raises:
        UserError: bad data, a folder that holds another run, features that cannot be had, networks
            that do not fit, a loss not finite, a full disk.
    """
    # Several processes must stop at one iteration: there, the run goes on without its reader.
    stop = Stop(request.max_minutes, lambda: world_size() == 1 and is_abandoned(console))
    setup = set_up(request, console)
    with memory_explained():
        loop = wire(setup, request)
    claim(setup, loop)
    stopped = complete(loop, stop)
    grid = setup.run.samples / f"step-{loop.iteration:07d}.png"
    return Outcome(
        folder=setup.run.path,
        iteration=loop.iteration,
        stopped=stopped,
        exit_code=stop.exit_code,
        last_grid=grid if grid.is_file() else None,
        scores=loop.display.scores,
    )


def complete(loop: Loop, stop: Stop) -> str | None:
    """Train to the end and close what was open; returns why it stopped early, or None."""
    with stop.listening(), memory_explained(), loop.display.open():
        stopped = loop.fit(stop)
    if loop.log is not None:
        loop.log.close()
    loop.step.source.close()
    return stopped


def set_up(request: Request, console: Console) -> Setup:
    """Start the processes, and load the data and the features; nothing is written yet."""
    recipe, folder = request.recipe, request.folder
    try:
        check_folder(folder, recipe, request.seed, resume=request.resume)
    except OSError as error:
        raise UserError(
            f"--out {folder} cannot be read ({error.strerror}): give another"
        ) from error
    fabric = start_processes(request)
    if fabric.global_rank > 0:
        console.quiet = True

    def load_images() -> tuple[ImageDataset, ImageDataset]:
        return load_splits(
            recipe.data, request.data, console, skip_unreadable=request.skip_unreadable
        )

    with Ranks.current().fail_together():
        if fabric.global_rank == 0:
            check_writable(folder, "--out")
    extractor = on_all(fabric, lambda: features_to_score(recipe, fabric.device))
    train_set, test_set = on_all(fabric, load_images)
    if len(train_set.labels) < recipe.training.batch_size:
        raise UserError(
            f"the data set has {len(train_set.labels)} training images, fewer than a batch of "
            f"{recipe.training.batch_size}: set training.batch_size lower"
        )
    for line in dict.fromkeys((*train_set.notes, *test_set.notes)):
        note(console, f"note: {line}")
    if recipe.training.precision == "bf16" and not bf16_is_fast():
        note(console, "note: this machine has no bf16 arithmetic of its own, training in fp32")
    facts = DatasetFacts(
        name=train_set.name,
        class_names=train_set.class_names,
        class_counts=tuple(int(count) for count in train_set.class_counts),
        fingerprint=train_set.fingerprint,
        path=None if request.data is None else str(request.data.resolve()),
    )
    run = Run(folder, request.name, recipe, request.seed, facts)
    checkpoint = find_checkpoint(run, console) if request.resume else None
    return Setup(fabric, run, train_set, test_set, checkpoint, console, extractor)


def on_all(fabric: Fabric, work: Callable[[], T]) -> T:
    """What ``work`` returns, done on the first process first; a UserError on one is one on all."""
    problem: UserError | None = None
    with fabric.rank_zero_first():
        try:
            result = work()
        except UserError as error:
            problem = error
    with Ranks.current().fail_together():
        if problem is not None:
            raise problem
    return result


def features_to_score(recipe: Recipe, device: torch.device) -> FeatureExtractor | None:
    """The feature extractor of the run's evaluations; None where it makes none."""
    training = recipe.training
    if training.evaluate_every_iterations is None and not training.evaluate_at_start:
        return None
    return extractor_for(recipe.evaluation, recipe.data, device)


def start_processes(request: Request) -> Fabric:
    """Start this machine's processes, on GPUs where there are any, in the recipe's precision."""
    for name in ("lightning", "lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    wants_bf16 = request.recipe.training.precision == "bf16"
    fabric = Fabric(
        accelerator="auto",
        devices=request.devices,
        num_nodes=request.nodes,
        precision="bf16-mixed" if wants_bf16 and bf16_is_fast() else "32-true",
    )
    fabric.launch()
    if fabric.device.type == "cpu":
        # Lightning has PyTorch look for GPUs through NVML, which it tries to load anew at every
        # step of Adam.
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    keep_freed_memory()
    return fabric


def bf16_is_fast() -> bool:
    """Whether this machine computes in bf16 itself: emulated, it is slower than fp32."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported


def environment(fabric: Fabric) -> dict[str, Any]:
    """What a run was made with."""
    packages = ("contragan", "torch", "torchvision", "lightning", "numpy")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "device": str(fabric.device),
        "device_name": torch.cuda.get_device_name() if fabric.device.type == "cuda" else "CPU",
        "world_size": fabric.world_size,
        "num_threads": torch.get_num_threads(),
        "precision": str(fabric._precision.precision),
        "packages": {name: version(name) for name in packages},
    }


def wire(setup: Setup, request: Request) -> Loop:
    """Build everything that trains, and take up where a checkpoint left off; writes nothing."""
    fabric, run = setup.fabric, setup.run
    training = run.recipe.training
    check_room(run.recipe, run.dataset.num_classes, fabric.device)
    gan = build(run.recipe, run.dataset.num_classes, request.seed)
    gan.generator.to(fabric.device).to(memory_format=torch.channels_last)
    gan.discriminator.to(fabric.device).to(memory_format=torch.channels_last)
    step = make_step(setup, gan, request.seed, request.step)
    ema = EMA(gan.generator, training.ema) if training.ema else None
    best_generator = ema.average if ema else gan.generator

    def evaluate(iteration: int) -> Score:
        share_buffers(best_generator)
        return score(make_evaluator(setup, best_generator, ema is not None), iteration)

    def draw_samples(iteration: int) -> None:
        if fabric.global_rank == 0:
            write_grid(run, best_generator, request.seed, iteration)

    loop = Loop(
        step=step,
        ema=ema,
        config=training,
        display=Display(setup.console, training.total_iterations),
        checkpoints=run.checkpoints,
        facts={"recipe": run.name, "class_names": list(run.dataset.class_names)},
        evaluate=evaluate,
        draw_samples=draw_samples,
    )
    if setup.checkpoint is not None:
        loop.resume(setup.checkpoint)
    return loop


def claim(setup: Setup, loop: Loop) -> None:
    """Write the run's folder, now that all that can be wrong with a request has been looked at."""
    run = setup.run
    if setup.fabric.global_rank == 0:
        run.write(environment(setup.fabric))
        loop.log = MetricsLog(run.path, loop.iteration, evaluated=loop.evaluated)
        loop.mark_best()
    setup.fabric.barrier()


def make_evaluator(setup: Setup, generator: Generator, ema: bool) -> Evaluator:
    """What scores a run's generator."""
    assert setup.extractor is not None, "a run that is evaluated has loaded its features"
    return Evaluator(
        generator,
        setup.run.name,
        setup.run.recipe.evaluation,
        train=setup.train,
        test=setup.test,
        seed=setup.run.seed,
        ema=ema,
        console=setup.console,
        extractor=setup.extractor,
    )


def make_step(setup: Setup, gan: GAN, seed: int, kind: StepKind = "eager") -> Step:
    """The step of a recipe, with its optimisers and its sources of images and labels."""
    fabric, recipe = setup.fabric, setup.run.recipe
    training, data = recipe.training, recipe.data
    share = training.batch_size // (training.accumulation_steps * fabric.world_size)
    if share * training.accumulation_steps * fabric.world_size != training.batch_size:
        raise UserError(
            f"training.batch_size {training.batch_size} cannot be shared by {fabric.world_size} "
            f"processes in {training.accumulation_steps} parts each: choose a multiple of "
            f"{training.accumulation_steps * fabric.world_size}"
        )
    step = Step(
        fabric=fabric,
        gan=gan,
        objective=Objective(recipe.adversarial, gan.head, recipe.regularizers),
        discriminator_optimizer=adam(gan.discriminator, training.discriminator_optimizer),
        generator_optimizer=adam(gan.generator, training.generator_optimizer),
        source=BatchSource(
            setup.train,
            fabric.device,
            seed=seed,
            horizontal_flip=data.horizontal_flip,
            batch_size=share,
        ),
        labels=LabelSampler(setup.train.class_counts, data.fake_labels, fabric.device),
        seed=seed,
        batch_size=training.batch_size,
        accumulation_steps=training.accumulation_steps,
        discriminator_steps=training.discriminator_steps,
        augmentation=(
            recipe.augmentation.build(fabric.device) if recipe.augmentation else Augmentation()
        ),
        synchronized_batch_norm=training.synchronized_batch_norm,
    )
    return faster(step, kind, setup.console)


def faster(step: Step, kind: StepKind, console: Console) -> Step:
    """The step run in another way, or as it is, with one line of reason, where that cannot be."""
    if kind == "compiled":
        step.gan.generator.compile()
        step.gan.discriminator.compile()
    if kind != "captured":
        return step
    if reason := why_not_captured(step.fabric.device, step.augmentation):
        note(console, f"note: the step runs eagerly: {reason}")
        return step
    return CapturedStep(**step.settings(), tell=lambda line: note(console, f"note: {line}"))


def adam(network: torch.nn.Module, config: AdamConfig) -> torch.optim.Adam:
    """Adam in its fused form, one kernel for all parameters."""
    return torch.optim.Adam(
        network.parameters(),
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=True,
    )


def score(evaluator: Evaluator, iteration: int) -> Score:
    """Evaluate, each process its share, and say what the loop needs of the record."""
    record = evaluator(iteration)
    shown = {title: record.values[name] for name, title in SHOWN.items() if name in record.values}
    lines = [*metric_lines(record, iteration), {"step": iteration, **record.to_dict()}]
    # What an untrained generator lacks is no news.
    warnings = record.warnings if iteration else ()
    return Score(record.values.get("frechet_distance"), shown, lines, warnings)


GRID_COLUMNS = 10


def write_grid(run: Run, generator: Generator, seed: int, iteration: int) -> None:
    """A sample grid: a row a class (the first 20 classes), the same latents every time."""
    rows = min(run.dataset.num_classes, 20)
    labels = torch.arange(rows).repeat_interleave(GRID_COLUMNS)
    training = generator.training
    generator.eval()
    images = ImageSampler(generator, seed, purpose="grid")(labels)
    generator.train(training)
    picture = labelled_grid(images, labels, run.dataset.class_names)
    save_image(picture, run.samples / f"step-{iteration:07d}.png")
