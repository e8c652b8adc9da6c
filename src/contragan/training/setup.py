"""What a run stands on: its request, its processes, its data and its features."""

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
from contragan.console import note
from contragan.data import ImageDataset
from contragan.errors import UserError
from contragan.evaluation import check_possible, extractor_for, load_splits
from contragan.files import check_writable
from contragan.metrics import FeatureExtractor, Ranks
from contragan.recipe import Recipe
from contragan.runs.run import DatasetFacts, Run
from contragan.training.resume import check_folder, find_checkpoint

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
class Setup:
    """What a run stands on: its processes, its data, and the features it is scored by, if it is."""

    fabric: Fabric
    run: Run
    train: ImageDataset
    test: ImageDataset
    checkpoint: Path | None
    console: Console
    extractor: FeatureExtractor | None = None


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
    if extractor is not None:
        with Ranks.current().fail_together():  # what is free differs from machine to machine
            check_possible(recipe.evaluation, extractor, train_set, test_set)
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
