"""Evaluating a generator against its recipe's data: during training and afterwards alike."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from contragan.core.console import note, progress_bar
from contragan.core.devices import find_device
from contragan.core.errors import UserError
from contragan.core.files import expanded, writing_failed
from contragan.core.pictures import paired_rows, save_image
from contragan.core.processes import Ranks
from contragan.core.words import shortened
from contragan.data import (
    DataConfig,
    ImageDataset,
    Reading,
    in_colour,
    load_dataset,
    load_image_set,
)
from contragan.evaluation.comparison import comparison_table
from contragan.evaluation.labels import canonical_names, without_metrics_by_class
from contragan.evaluation.protocol import (
    ClosestPairs,
    IndexedDraw,
    check_evaluation,
    evaluate,
    evaluate_images,
)
from contragan.evaluation.published import with_published
from contragan.evaluation.record import EvaluationRecord
from contragan.features.extractor import FeatureExtractor
from contragan.features.load import load_extractor
from contragan.metrics.advice import Training
from contragan.metrics.registry import SCORES
from contragan.models import Generator
from contragan.models.batch_norm import evaluation_mode
from contragan.models.heads.contrastive import ContrastiveConfig
from contragan.recipes.evaluation import EvaluationConfig, named_protocol, needs
from contragan.recipes.schema import Recipe
from contragan.runs.log import read_metrics
from contragan.runs.run import Run, open_run
from contragan.runs.sampling import ImageSampler, find_trained, require_memory, standing_batches

SHOWN = {score.name: score.title for score in SCORES.values() if score.in_training}
"""The scores that a training run shows, with their titles."""


@dataclass
class Evaluator:
    """Scores a generator in place, leaving it as it was.

    Metrics by class that one class cannot bear are left out, with a warning in the record, unless
    somebody asked for the metrics by name (``metrics_asked``).
    """

    generator: Generator
    recipe_name: str
    config: EvaluationConfig
    train: ImageDataset
    test: ImageDataset
    seed: int
    ema: bool
    console: Console
    extractor: FeatureExtractor
    recipe: Recipe
    cache: Path | None = None
    closest_pairs: Callable[[ClosestPairs], None] | None = None
    metrics_asked: bool = False

    @property
    def reference(self) -> ImageDataset:
        """The real images that generated ones are compared with."""
        return self.train if self.config.reference == "train" else self.test

    def __call__(self, iteration: int) -> EvaluationRecord:
        """Evaluate the generator as it is after ``iteration`` updates."""
        config, left_out = without_metrics_by_class(self.config, self.reference)
        if self.metrics_asked:
            config, left_out = self.config, ()
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
            record = evaluate(
                IndexedDraw(sampler.at),
                reference=self.reference,
                probe_train=self.train,
                config=config,
                extractor=self.extractor,
                cache_dir=self.cache,
                seed=self.seed,
                context=context,
                progress=progress,
                ranks=Ranks.current(),
                closest_pairs=self.closest_pairs,
                made_by=training_facts(self.recipe, iteration),
            )
        return replace(record, warnings=(*left_out, *record.warnings))


def training_facts(recipe: Recipe, iteration: int) -> Training:
    """What an evaluation should know of a generator after ``iteration`` updates by ``recipe``."""
    conditioning = recipe.conditioning
    return Training(
        conditional=recipe.generator.conditional,
        conditioning=conditioning.kind,
        eq8=isinstance(conditioning, ContrastiveConfig)
        and conditioning.positives_in_numerator
        and conditioning.proxy_classification is None,
        mirrors=any(
            regularizer.kind in {"consistency", "balanced_consistency"}
            for regularizer in recipe.regularizers
        ),
        iteration=iteration,
        total_iterations=recipe.training.total_iterations,
    )


def check_possible(
    config: EvaluationConfig,
    extractor: FeatureExtractor,
    train: ImageDataset,
    test: ImageDataset,
) -> tuple[str, ...]:
    """Sentences on what evaluations of a run will leave out.

    Raises:
        UserError: they would lack images or memory.
    """
    reference = train if config.reference == "train" else test
    fitting, left_out = without_metrics_by_class(config, reference)
    generated = ("the generated set", config.num_images or len(reference))
    check_evaluation(fitting, extractor, generated, reference, train)
    return left_out


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
    needs_classes: bool = True,
    class_order: Sequence[str] | None = None,
) -> tuple[ImageDataset, ImageDataset]:
    """The training and the test images, showing progress where they must be decoded first.

    Says what of the data was left out or read otherwise than it may be meant. ``class_order`` are
    those of a run that goes on, or is evaluated: the classes get its order.

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
                    needs_classes=needs_classes,
                    class_order=class_order,
                    progress=partial(progress, f"decoding {split} images"),
                )
            )
    if class_order is not None:
        check_classes(class_order, found[0].class_names)
    say_of_data(found, console)
    return found[0], found[1]


def say_of_data(sets: Sequence[ImageDataset], console: Console) -> None:
    """Print what sets of images have to tell, each line once."""
    for line in dict.fromkeys(line for images in sets for line in images.notes):
        note(console, f"note: {line}")
    for line in dict.fromkeys(line for images in sets for line in images.warnings):
        note(console, f"warning: {line}")


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
    reading: Reading = field(default_factory=Reading)
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
        if self.probe_images is not None and "probe" not in needs(config):
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
        needs_classes=run.recipe.needs_classes,
        class_order=run.dataset.class_names if run.dataset.knows_names else None,
    )
    if train.num_classes != run.dataset.num_classes:
        raise UserError(
            f"the run in {run.path} has {run.dataset.num_classes} classes, but the data has "
            f"{train.num_classes}: give the data it was trained on as --data"
        )
    if run.dataset.fingerprint not in {"", train.fingerprint}:
        note(
            console,
            "note: the training images are not those that the run was trained on, or are decoded "
            "otherwise (data.background, data.value_range)",
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
        recipe=run.recipe,
        closest_pairs=_pairs_drawer(picture, console) if "memorisation" in config.metrics else None,
        metrics_asked=choice.metrics is not None,
    )
    record = with_published(evaluator(trained.iteration), run.recipe)
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
    names = distinct_names(generated, reference)
    sets = [
        replace(images, name=name)
        for images, name in zip(
            _comparable(generated, reference, choice.reading, console), names, strict=True
        )
    ]
    labelled = [len(images.class_names) > 1 for images in sets]
    metrics = (
        ("frechet_distance", "class_fidelity")
        if all(labelled)
        else ("frechet_distance", "distinct_images")
    )
    if any(labelled) and not all(labelled) and choice.metrics is None and choice.protocol is None:
        plain = names[labelled.index(False)]
        note(console, f"note: {plain} has a single class, so metrics by class are left out")
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
        record = evaluate_images(
            sets[0], reference=sets[1], config=config, extractor=extractor, progress=progress
        )
    return replace(record, protocol={**record.protocol, "images": choice.reading.facts()})


def _comparable(
    generated: Path, reference: Path, reading: Reading, console: Console
) -> list[ImageDataset]:
    """Both sets, grey ones in colour where only one is grey; UserError for unlike sizes."""
    sets = []
    for path in (generated, reference):
        with progress_bar(console) as progress:
            sets.append(
                load_image_set(path, reading, progress=partial(progress, f"reading {path}"))
            )
    say_of_data(sets, console)
    sizes = [f"{one.images.shape[2]} x {one.images.shape[1]}" for one in sets]
    if sizes[0] != sizes[1]:
        side = min(size for one in sets for size in one.images.shape[1:3])
        raise UserError(
            f"{generated} holds images of {sizes[0]} pixels, {reference} of {sizes[1]}: "
            f"--resolution {side} crops and resizes both, as training does"
        )
    if sets[0].images.shape[3] != sets[1].images.shape[3]:
        grey = min(sets, key=lambda one: one.images.shape[3])
        note(console, f"note: {grey.name} is grey and compared as if in colour")
        sets = [in_colour(one) for one in sets]
    return sets


def distinct_names(first: Path, second: Path) -> tuple[str, str]:
    """What two places are called: their last names, with as many folders as tell them apart."""
    places = [Path(os.path.abspath(expanded(path))) for path in (first, second)]
    parts = [place.parts for place in places]
    length = 1
    while places[0] != places[1] and length < max(map(len, parts)):
        if parts[0][-length:] != parts[1][-length:]:
            break
        length += 1
    return str(Path(*parts[0][-length:])), str(Path(*parts[1][-length:]))


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
    """Raises UserError where data has not the classes that a run was trained on, in their order."""
    own = canonical_names(trained, "the run")
    there = canonical_names(found, "the data")
    if own == there:
        return
    missing = [name for name in own if name not in there]
    new = [name for name in there if name not in own]
    told = [
        f"{what} {shortened(names)}" for what, names in (("lacks", missing), ("adds", new)) if names
    ]
    problem = " and ".join(told) if told else f"has them in another order ({shortened(there)})"
    raise UserError(
        f"the run was trained on {len(own)} classes ({shortened(own)}), but the data {problem}: "
        "give the data that the run began with as --data"
    )


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
