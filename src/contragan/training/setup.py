"""What a run needs before it starts: its request, processes, data and features."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from lightning.fabric import Fabric
from rich.console import Console

from contragan.core.console import note
from contragan.core.devices import find_device
from contragan.core.errors import UserError
from contragan.core.files import check_writable
from contragan.core.fonts import illegible
from contragan.core.imports import source_of
from contragan.core.pictures import GRID_ROWS
from contragan.core.processes import Ranks
from contragan.data import ImageDataset, describe_classes, rare_classes
from contragan.data.splits import load_splits
from contragan.evaluation.evaluator import check_possible, extractor_for
from contragan.features.extractor import FeatureExtractor
from contragan.recipes.schema import Recipe
from contragan.runs.lock import RunLock
from contragan.runs.run import DatasetFacts, Run
from contragan.training.launch import find_launch
from contragan.training.place import default_folder
from contragan.training.processes import start
from contragan.training.resume import Earlier, check_folder, same_data
from contragan.training.starting_point import Source, check_apart, check_fits, starting_point

T = TypeVar("T")

StepKind = Literal["eager", "compiled", "captured"]
"""How a step runs: operation by operation, networks through torch.compile, or as CUDA graphs."""


@dataclass(frozen=True)
class Request:
    """What ``contragan train`` was asked for; ``devices`` and ``nodes`` None: as launched.

    ``data`` None: where the recipe says that its images lie, if it does. ``overrides`` are the
    settings that the recipe was changed by: where ``out`` is None they are part of the folder's
    name. ``start_from`` is a run of other data to take the weights from.
    """

    name: str
    recipe: Recipe
    data: Path | None = None
    seed: int = 0
    out: Path | None = None
    resume: bool = False
    max_minutes: float | None = None
    skip_unreadable: bool = False
    report: Path | None = None
    devices: int | None = None
    nodes: int | None = None
    device: str = "auto"
    wait_minutes: float = 30.0
    step: StepKind = "eager"
    overrides: tuple[str, ...] = ()
    start_from: Path | None = None

    def __post_init__(self) -> None:
        written = getattr(self.recipe.data, "path", None)
        if self.data is None and written is not None:
            object.__setattr__(self, "data", Path(written))

    @property
    def folder(self) -> Path:
        if self.out is not None:
            return self.out
        start = () if self.start_from is None else (f"from={self.start_from}",)
        return default_folder(self.name, self.seed, (*self.overrides, *start))


@dataclass(frozen=True)
class Setup:
    """What a run needs: its processes, its data, and features if it is to be scored."""

    fabric: Fabric
    run: Run
    train: ImageDataset
    test: ImageDataset
    checkpoint: Path | None
    console: Console
    extractor: FeatureExtractor | None = None
    lock: RunLock | None = None
    source: Source | None = None


def set_up(request: Request, console: Console) -> Setup:
    """Start the processes, take the run's folder, and load the data and the features.

    Nothing else is written yet.

    Raises:
        UserError: what was asked for cannot be trained here; names what to change.
    """
    fabric = start_processes(request, console)
    if fabric.global_rank > 0:
        console.quiet = True
    note(
        console,
        f"training {request.name} in {request.folder}: seed {request.seed}, {fabric.device}, "
        f"{request.recipe.training.total_iterations:,} iterations",
    )
    lock = RunLock(request.folder)
    try:
        earlier = on_first(fabric, lambda: take_folder(request, lock, console))
        source = on_all(fabric, lambda: find_start(request, earlier, console))
        return replace(load(request, fabric, lock, earlier, console), source=source)
    except BaseException:
        lock.release()
        raise


def take_folder(request: Request, lock: RunLock, console: Console) -> Earlier | None:
    """Take the run's folder for this training, if it may be; returns what to go on from."""
    folder = request.folder
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder} is a file; give a folder")
    check_apart(folder, request.start_from)
    check_writable(folder, "--out")
    if told := lock.take():
        note(console, f"note: {told}")
    try:
        return check_folder(
            folder,
            request.recipe,
            request.seed,
            console,
            resume=request.resume,
            data=request.data,
        )
    except OSError as error:
        raise UserError(
            f"--out {folder} cannot be read ({error.strerror}): give another"
        ) from error


def find_start(request: Request, earlier: Earlier | None, console: Console) -> Source | None:
    """The checkpoint of another run that this training starts from; None where there is none."""
    recipe = request.recipe
    source = starting_point(
        request.folder,
        request.start_from,
        console,
        resumed=earlier is not None,
        begun=earlier is not None and earlier.checkpoint is not None,
    )
    if source is not None:
        check_fits(source, recipe)
    elif recipe.training.frozen_discriminator_blocks and not (earlier and earlier.checkpoint):
        raise UserError(
            "training.frozen_discriminator_blocks keeps weights that another run has trained: "
            "give that run as --from, or set it to 0"
        )
    return source


def load(
    request: Request, fabric: Fabric, lock: RunLock, earlier: Earlier | None, console: Console
) -> Setup:
    """Load what a run needs."""
    recipe = request.recipe
    names = earlier.dataset.known_names if earlier else None

    def load_images() -> tuple[ImageDataset, ImageDataset]:
        return load_splits(
            recipe.data,
            request.data,
            console,
            skip_unreadable=request.skip_unreadable,
            needs_classes=recipe.needs_classes,
            class_order=names,
            report=request.report if fabric.global_rank == 0 else None,
        )

    extractor = on_all(fabric, lambda: features_to_score(recipe, fabric.device))
    train_set, test_set = on_all(fabric, load_images)
    if len(train_set.labels) < recipe.training.batch_size:
        raise UserError(
            f"the data set has {len(train_set.labels)} training images, fewer than a batch of "
            f"{recipe.training.batch_size}: set training.batch_size lower"
        )
    note(console, describe_classes(train_set))
    for line in rare_classes(train_set, recipe.data.sampling):
        note(console, line)
    if extractor is not None:
        with Ranks.current().fail_together():  # what is free differs from machine to machine
            left_out = check_possible(recipe.evaluation, extractor, train_set, test_set)
        for line in left_out:
            note(console, f"note: {line}")
    for line in illegible(train_set.class_names[:GRID_ROWS]):
        note(console, f"note: {line}")
    if recipe.training.precision == "bf16" and not bf16_is_fast(fabric.device):
        note(console, "note: this machine has no bf16 arithmetic of its own, training in fp32")
    facts = DatasetFacts(
        name=train_set.name,
        class_names=train_set.class_names,
        class_counts=tuple(int(count) for count in train_set.class_counts),
        fingerprint=train_set.fingerprint,
        path=None if request.data is None else str(request.data.resolve()),
    )
    if earlier is not None:
        facts = same_data(earlier.dataset, facts, request.folder, console)
    run = Run(request.folder, request.name, recipe, request.seed, facts)
    checkpoint = earlier.checkpoint if earlier else None
    return Setup(fabric, run, train_set, test_set, checkpoint, console, extractor, lock)


def on_first(fabric: Fabric, work: Callable[[], T | None]) -> T | None:
    """Do ``work`` on the first process, and return its result, or raise its error, on all."""
    result: T | None = None
    with Ranks.current().fail_together():
        if fabric.global_rank == 0:
            result = work()
    shared: T | None = fabric.broadcast(result)
    return shared


def on_all(fabric: Fabric, work: Callable[[], T]) -> T:
    """Do ``work`` on all processes, the first one first; a UserError on one is raised on all."""
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
    """The feature extractor of the run's evaluations; None where it is never evaluated."""
    training = recipe.training
    if training.evaluate_every_iterations is None and not training.evaluate_at_start:
        return None
    return extractor_for(recipe.evaluation, recipe.data, device)


def start_processes(request: Request, console: Console) -> Fabric:
    """Start or join the processes that train together, in the recipe's precision."""
    wants_bf16 = request.recipe.training.precision == "bf16"
    return start(
        find_launch(request.devices, request.nodes),
        request.device,
        "bf16-mixed" if wants_bf16 and bf16_is_fast(find_device(request.device)) else "32-true",
        request.wait_minutes,
        console,
    )


def bf16_is_fast(device: torch.device) -> bool:
    """Whether a device has bf16 arithmetic; emulated bf16 is slower than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported


def environment(fabric: Fabric, recipe: Recipe) -> dict[str, Any]:
    """What a run was made with; ``imported`` has the files of import paths in its recipe."""
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
        "imported": {path: source_of(path) for path in recipe.import_paths},
    }


def changed_code(earlier: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """A line on each file of an import path that is not as it was; of two environments."""
    before = earlier.get("imported", {})
    return [
        f"note: {path} was trained with another version of {facts['file']}"
        for path, facts in now["imported"].items()
        if path in before and before[path].get("sha256") != facts.get("sha256")
    ]
