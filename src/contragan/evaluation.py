"""Evaluating a generator against its recipe's data: during training and afterwards alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unicodedata import normalize

import torch
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from contragan.console import note, progress_bar
from contragan.data import DataConfig, ImageDataset, load_dataset
from contragan.devices import find_device
from contragan.errors import UserError
from contragan.files import writing_failed
from contragan.images import paired_rows, save_image
from contragan.metrics import (
    ClosestPairs,
    EvaluationConfig,
    EvaluationRecord,
    FeatureExtractor,
    IndexedDraw,
    Ranks,
    comparison_table,
    evaluate,
    evaluate_images,
    evaluation_mode,
    load_extractor,
    load_image_set,
    named_protocol,
)
from contragan.networks import Generator
from contragan.runs.log import read_metrics
from contragan.runs.run import Run, open_run
from contragan.sampling import ImageSampler, find_trained, require_memory, standing_batches

SHOWN = {
    "frechet_distance": "Fréchet distance",
    "class_accuracy": "class accuracy",
}
"""The scores that a training run shows, with their titles."""


@dataclass
class Evaluator:
    """Scores a generator in place, leaving it as it was."""

    generator: Generator
    recipe_name: str
    config: EvaluationConfig
    train: ImageDataset
    test: ImageDataset
    seed: int
    ema: bool
    console: Console
    extractor: FeatureExtractor
    cache: Path | None = None
    closest_pairs: Callable[[ClosestPairs], None] | None = None

    @property
    def reference(self) -> ImageDataset:
        """The real images that generated ones are compared with."""
        return self.train if self.config.reference == "train" else self.test

    def __call__(self, iteration: int) -> EvaluationRecord:
        """Evaluate the generator as it is after ``iteration`` updates."""
        sampler = ImageSampler(self.generator, self.seed, purpose="evaluation")
        context = {
            "iteration": iteration,
            "ema": self.ema,
            "recipe": self.recipe_name,
            "generator_precision": "float32",
        }
        with (
            progress_bar(self.console) as progress,
            evaluation_mode(
                self.generator,
                self.config.batch_norm,
                forward=standing_batches(
                    self.generator, self.reference.class_counts, self.config.batch_size, self.seed
                ),
                batches=self.config.standing_batches,
            ),
        ):
            return evaluate(
                IndexedDraw(sampler.at),
                reference=self.reference,
                probe_train=self.train,
                config=self.config,
                extractor=self.extractor,
                cache_dir=self.cache,
                seed=self.seed,
                context=context,
                progress=progress,
                ranks=Ranks.current(),
                closest_pairs=self.closest_pairs,
            )


def extractor_for(
    config: EvaluationConfig,
    data: DataConfig,
    device: torch.device,
    weights: Path | None = None,
) -> FeatureExtractor:
    """The feature extractor of an evaluation, known before any image is read.

    Raises:
        UserError: an unknown one, or weights that cannot be had.
    """
    return load_extractor(
        config.features,
        device=device,
        weights=weights,
        resize=config.resize,
        precision=config.precision,
        image_shape=(data.channels, data.resolution, data.resolution),
    )


def load_splits(
    config: DataConfig,
    root: Path | None,
    console: Console,
    *,
    skip_unreadable: bool = False,
    class_order: Sequence[str] | None = None,
) -> tuple[ImageDataset, ImageDataset]:
    """The training and the test images, showing progress where they must be decoded first.

    ``class_order`` are the class names of a run that goes on, or is evaluated.

    Raises:
        UserError: the data cannot be read, or its classes are others, or in another order.
    """
    found = []
    for split in ("train", "test"):
        with progress_bar(console) as progress:
            found.append(
                load_dataset(
                    config,
                    split,
                    root=root,
                    skip_unreadable=skip_unreadable,
                    progress=partial(progress, f"decoding {split} images"),
                )
            )
    if class_order is not None:
        check_classes(class_order, found[0].class_names)
    return found[0], found[1]


@dataclass(frozen=True)
class Choice:
    """What the user asks of an evaluation; None leaves the protocol's or the recipe's setting."""

    protocol: str | None = None
    features: str | None = None
    num_images: int | None = None
    reference: str | None = None
    batch_norm: str | None = None
    resize: str | None = None
    metrics: tuple[str, ...] | None = None
    probe_images: int | None = None
    data: Path | None = None
    weights: Path | None = None
    skip_unreadable: bool = False
    seed: int = 0
    device: str = "auto"

    def config(self, otherwise: EvaluationConfig) -> EvaluationConfig:
        """The named protocol, or ``otherwise``, with the settings that were given changed.

        Raises:
            UserError: an unknown protocol, metric or extractor.
        """
        names = (
            "features",
            "num_images",
            "reference",
            "batch_norm",
            "resize",
            "metrics",
            "probe_images",
        )
        changes = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        try:
            if self.protocol is not None:
                config = named_protocol(self.protocol, **changes)
            else:
                config = EvaluationConfig.model_validate({**otherwise.model_dump(), **changes})
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(step) for step in problem["loc"][:1])
            raise UserError(f"{where}: {problem['msg']} (got {problem['input']!r})") from error
        if self.resize is not None and config.features == "pixels":
            raise UserError("--resize means nothing to the features pixels: leave it out")
        if self.probe_images is not None and "class_fidelity" not in config.metrics:
            raise UserError("--probe-images means nothing without the metric class_fidelity")
        return config


def evaluate_run(
    path: Path, choice: Choice, console: Console, *, which: str, ema: bool | None
) -> EvaluationRecord:
    """Evaluate a run or a checkpoint and append the record to the run's ``metrics.jsonl``.

    The data set is read from ``choice.data``, or where the run had it.

    Raises:
        UserError: no usable checkpoint, no data or other classes, or features that cannot be had.
    """
    trained = find_trained(path, which, ema)
    for line in trained.notes:
        note(console, f"note: {line}")
    run = trained.run
    config = choice.config(run.recipe.evaluation)
    if config.num_images is not None:
        require_memory(config.num_images, 32, "labels")
    if run.recipe.data.kind == "digits" and (choice.data or choice.skip_unreadable):
        option = "--data" if choice.data else "--skip-unreadable"
        raise UserError(f"{option} means nothing to a run on digits, which are no files: leave out")
    device = find_device(choice.device)
    extractor = extractor_for(config, run.recipe.data, device, choice.weights)
    root = choice.data or (Path(run.dataset.path) if run.dataset.path else None)
    train, test = load_splits(
        run.recipe.data,
        root,
        console,
        skip_unreadable=choice.skip_unreadable,
        class_order=run.dataset.class_names if run.dataset.knows_names else None,
    )
    if train.num_classes != run.dataset.num_classes:
        raise UserError(
            f"the run in {run.path} has {run.dataset.num_classes} classes, but the data has "
            f"{train.num_classes}: give the data it was trained on as --data"
        )
    picture = run.path / "samples" / f"closest-step-{trained.iteration:07d}.png"
    evaluator = Evaluator(
        trained.generator.to(device).to(memory_format=torch.channels_last),
        run.name,
        config,
        train=train,
        test=test,
        seed=choice.seed,
        ema=trained.ema,
        console=console,
        extractor=extractor,
        closest_pairs=_pairs_drawer(picture, console) if "memorisation" in config.metrics else None,
    )
    record = evaluator(trained.iteration)
    append_record(run, trained.iteration, record)
    return record


def _pairs_drawer(path: Path, console: Console) -> Callable[[ClosestPairs], None]:
    def draw(pairs: ClosestPairs) -> None:
        save_image(paired_rows(pairs.generated, pairs.training), path)
        note(console, f"generated images (top) and their nearest training images (below): {path}")

    return draw


def evaluate_files(
    generated: Path, reference: Path, choice: Choice, console: Console
) -> EvaluationRecord:
    """Compare two sets of images: folders or npz files, generated by anything.

    Raises:
        UserError: files that are no images, or sets that differ in size, colour or classes.
    """
    sets = [load_image_set(path) for path in (generated, reference)]
    has_classes = len(sets[0].class_names) > 1 and sets[0].class_names == sets[1].class_names
    metrics = ("frechet_distance", "class_fidelity") if has_classes else ("frechet_distance",)
    config = choice.config(
        EvaluationConfig(
            features="efficientnet-lite0",
            num_images=None,
            reference="test",
            batch_norm="running",
            labels="reference",
            metrics=metrics,
        )
    )
    height, width, channels = sets[1].images.shape[1:]
    extractor = load_extractor(
        config.features,
        device=find_device(choice.device),
        weights=choice.weights,
        resize=config.resize,
        precision=config.precision,
        image_shape=(channels, height, width),
    )
    with progress_bar(console) as progress:
        return evaluate_images(
            sets[0], reference=sets[1], config=config, extractor=extractor, progress=progress
        )


def compare_runs(paths: list[Path]) -> Table:
    """The last evaluation of each run side by side, with every difference in protocol marked.

    Raises:
        UserError: a run that was never evaluated, or whose log is damaged.
    """
    records = {}
    for path in paths:
        log = open_run(path).path / "metrics.jsonl"
        lines = read_metrics(log) if log.exists() else []
        found = [line for line in lines if line["name"] == "evaluation"]
        if not found:
            raise UserError(f"{path} was never evaluated: run `contragan evaluate {path}` first")
        try:
            records[str(path)] = EvaluationRecord.from_dict(found[-1])
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{log} is damaged: its last evaluation is not whole. Evaluate {path} again"
            ) from error
    return comparison_table(records)


def check_classes(trained: Sequence[str], found: Sequence[str]) -> None:
    """Raises UserError where data has not the classes that a run was trained on, in their order.

    Names are compared in Unicode's composed form: file systems differ in how they write accents.
    """
    trained, found = ([normalize("NFC", name) for name in names] for names in (trained, found))
    if trained == found:
        return
    missing = [name for name in trained if name not in set(found)]
    new = [name for name in found if name not in set(trained)]
    told = [
        f"{what} {_some(names)}" for what, names in (("lacks", missing), ("adds", new)) if names
    ]
    problem = " and ".join(told) if told else f"has them in another order ({_some(found)})"
    raise UserError(
        f"the run was trained on {len(trained)} classes ({_some(trained)}), but the data "
        f"{problem}: give the data that the run began with as --data"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def append_record(run: Run, iteration: int, record: EvaluationRecord) -> None:
    """Append an evaluation to its run's ``metrics.jsonl``, in which a training may write too."""
    path = run.path / "metrics.jsonl"
    try:
        cut_short = path.exists() and not path.read_bytes().endswith(b"\n")
        line = "\n" * cut_short + json.dumps({"step": iteration, **record.to_dict()}) + "\n"
        data = line.encode()
        with path.open("ab", buffering=len(data) + 1) as file:  # one write, between another's lines
            file.write(data)
    except OSError as error:
        raise writing_failed(path, error) from error
