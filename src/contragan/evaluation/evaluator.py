"""Evaluating a generator against its recipe's data: during training and afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console

from contragan.core.console import progress_bar
from contragan.core.pair_pictures import ClosestPairs
from contragan.core.processes import Ranks
from contragan.data import DataConfig, ImageDataset
from contragan.evaluation.job import check_evaluation
from contragan.evaluation.labels import without_metrics_by_class
from contragan.evaluation.protocol import IndexedDraw, evaluate
from contragan.evaluation.record import EvaluationRecord
from contragan.features.extractor import FeatureExtractor
from contragan.features.load import load_extractor
from contragan.metrics.advice import Training
from contragan.metrics.registry import SCORES
from contragan.models import Generator
from contragan.models.batch_norm import evaluation_mode
from contragan.models.heads.contrastive import ContrastiveConfig
from contragan.recipes.evaluation import EvaluationConfig
from contragan.recipes.schema import Recipe
from contragan.runs.sampling import ImageSampler, standing_batches


def shown_scores() -> dict[str, str]:
    """The scores that a training run shows, with their titles."""
    return {score.name: score.title for score in SCORES.values() if score.in_training}


@dataclass
class Evaluator:
    """Scores a generator in place, leaving it as it was.

    Metrics by class are left out where there is one class, with a warning in the record, unless the
    user asked for the metrics by name (``metrics_asked``).
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
                made_by=training_facts(self.recipe, iteration, len(self.train)),
            )
        return replace(record, warnings=(*left_out, *record.warnings))


def training_facts(recipe: Recipe, iteration: int, num_images: int | None = None) -> Training:
    """What an evaluation should know of a generator after ``iteration`` updates by ``recipe``.

    ``num_images`` is the size of the training set, where it is known.
    """
    conditioning, training = recipe.conditioning, recipe.training
    shown = iteration * training.discriminator_steps * training.batch_size
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
        total_iterations=training.total_iterations,
        passes=None if num_images is None else shown / num_images,
        proxy_temperature=_proxy_temperature(recipe),
    )


def _proxy_temperature(recipe: Recipe) -> float | None:
    """Of the second term of ``contragan-proxy``; None where there is none."""
    conditioning = recipe.conditioning
    second = (
        conditioning.proxy_classification if isinstance(conditioning, ContrastiveConfig) else None
    )
    return None if second is None else second.temperature


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
        image_shape=data.image_shape,
    )
