"""The recipe: everything that decides what is trained, in one strict, flat file."""

from __future__ import annotations

import copy
import json
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from contragan.augmentation import AugmentationConfig
from contragan.core.config import Config
from contragan.core.errors import UserError
from contragan.core.imports import is_import_path
from contragan.core.resolution import Rectangle, height_width
from contragan.data import DataConfig
from contragan.losses.adversarial import AdversarialLoss
from contragan.losses.regularizers import RegularizerConfig
from contragan.models import GeneratorConfig, TrunkConfig
from contragan.models.heads import ConditioningConfig
from contragan.recipes.catalog import nearest, recipe_text
from contragan.recipes.evaluation import PROTOCOLS, EvaluationConfig
from contragan.recipes.problems import Attempt, explain
from contragan.recipes.reading import parse_yaml


class AdamConfig(Config):
    """Settings of Adam."""

    learning_rate: float = Field(gt=0)
    """Step size."""
    beta1: float = Field(ge=0, lt=1)
    """Decay of the mean of gradients (momentum); 0 in most recent GANs."""
    beta2: float = Field(ge=0, lt=1)
    """Decay of the mean of squared gradients."""
    eps: float = Field(gt=0)
    """Added to the denominator; the paper's runs have 1e-8, later ones 1e-6."""


class EMAConfig(Config):
    """Moving average of the generator's weights."""

    decay: float = Field(gt=0, lt=1)
    """Share of the old average that each iteration keeps; 0.999 remembers about 1,000
    iterations."""
    start_iteration: int = Field(ge=0)
    """Before this iteration the average is a plain copy of the weights."""


class TrainingConfig(Config):
    """How long and how to train; an iteration is one generator update."""

    total_iterations: int = Field(gt=0)
    """How long to train; an iteration is one generator update."""
    batch_size: int = Field(gt=0)
    """Images that one update sees, of all processes together."""
    accumulation_steps: int = Field(gt=0)
    """Parts in which a batch goes through the networks, to save memory; a loss that compares
    samples sees one part at a time."""
    discriminator_steps: int = Field(gt=0)
    """Discriminator updates per iteration."""
    discriminator_optimizer: AdamConfig
    """Adam for the discriminator."""
    generator_optimizer: AdamConfig
    """Adam for the generator."""
    ema: EMAConfig | None
    """Moving average of the generator's weights, for samples and scores; null for none."""
    precision: Literal["fp32", "bf16"]
    """Arithmetic of convolutions and matrix products: fp32, or bf16 (fp32 where a CPU has no bf16
    of its own)."""
    synchronized_batch_norm: bool = False
    """Whether batch norm takes its statistics over all processes."""
    frozen_discriminator_blocks: int = Field(default=0, ge=0)
    """Freeze-D (Mo et al. 2020): so many of the discriminator's lowest blocks keep the weights that
    a run begins with, which --from takes from another run."""
    log_every_iterations: int = Field(gt=0)
    """How often losses and speed are logged."""
    sample_every_iterations: int = Field(gt=0)
    """How often a grid of samples is drawn."""
    checkpoint_every_iterations: int = Field(gt=0)
    """How often a checkpoint is saved; a crash loses what came after the last."""
    evaluate_every_iterations: int | None = Field(gt=0)
    """How often the generator is scored; null for never."""
    evaluate_at_start: bool
    """Whether the untrained generator is scored too."""
    stability_every_iterations: int | None = Field(default=None, gt=0)
    """How often the signals of stability (docs/stability.md) are logged; null for never."""
    on_collapse: Literal["ignore", "warn", "stop", "rollback"] = "ignore"
    """What to do when those signals, or the distance, show that training has collapsed."""

    @model_validator(mode="after")
    def _guard_sees(self) -> TrainingConfig:
        if self.on_collapse != "ignore" and self.stability_every_iterations is None:
            raise ValueError(
                f"on_collapse {self.on_collapse} watches signals that are not measured: set "
                "training.stability_every_iterations too, for example to 200"
            )
        if self.on_collapse == "rollback" and self.evaluate_every_iterations is None:
            raise ValueError(
                "on_collapse rollback goes back to the best evaluated checkpoint: set "
                "training.evaluate_every_iterations too, or choose on_collapse=stop"
            )
        return self

    @model_validator(mode="after")
    def _divides(self) -> TrainingConfig:
        if self.batch_size % self.accumulation_steps:
            raise ValueError(
                f"batch_size {self.batch_size} is not divisible by accumulation_steps "
                f"{self.accumulation_steps}: change one of them"
            )
        return self


class ReferenceConfig(Config):
    """Where the settings come from, and the published score to show beside ours."""

    paper: str
    """Where the method and its settings come from."""
    table: str | None = None
    """The table that the published score stands in."""
    published_fid: float | None = None
    """Best FID of a published run."""
    published_protocol: str | None = None
    """The protocol that the published score was measured under."""
    note: str | None = None
    """What differs here from the published settings, and what to watch."""

    @field_validator("published_protocol")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in PROTOCOLS:
            raise ValueError(f"there is no such protocol{nearest(name, list(PROTOCOLS))}")
        return name


class Recipe(Config):
    """One GAN on one data set."""

    description: str
    """One line, as in the list of recipes."""
    data: DataConfig
    """The data set, and what becomes of its images."""
    generator: GeneratorConfig
    """The network that makes images."""
    discriminator: TrunkConfig
    """The network that tells real images from generated ones, without its head."""
    conditioning: ConditioningConfig
    """The discriminator's head: how it uses labels, and the class loss of both networks."""
    adversarial: AdversarialLoss
    """The loss of the logits that tell real from generated."""
    regularizers: tuple[RegularizerConfig, ...] = ()
    """Penalties and other additions to the losses, as a list."""
    augmentation: AugmentationConfig | None = None
    """What real and generated images pass through before the discriminator; null for nothing."""
    training: TrainingConfig
    """How long, with what batches and optimisers, and what is written when."""
    evaluation: EvaluationConfig
    """What the generator is compared with, in which features: all that a score depends on."""
    reference: ReferenceConfig
    """Where the settings come from, and the published score."""

    @property
    def needs_classes(self) -> bool:
        """Whether a single class is too few: a network sees labels."""
        return self.generator.conditional or self.conditioning.reads_labels

    @property
    def import_paths(self) -> list[str]:
        """Import paths that the recipe names, of kinds and metrics: code beside this package."""
        names = [self.generator.kind, self.discriminator.kind, self.conditioning.kind]
        names += [self.adversarial.kind, *(one.kind for one in self.regularizers)]
        names += [] if self.augmentation is None else [self.augmentation.kind]
        return [name for name in (*names, *self.evaluation.metrics) if is_import_path(name)]

    @model_validator(mode="after")
    def _networks_fit(self) -> Recipe:
        size = self.data.resolution
        for name, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            if isinstance(size, Rectangle) and not network.rectangles:
                raise ValueError(
                    f"{name} {network.kind} makes squares only, but data.resolution is {size}: set "
                    f"it to one number, such as {min(height_width(size))}"
                )
            network.check(size)
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Recipe:
        check_combination(self)
        return self


def check_combination(recipe: Recipe) -> None:
    """Raises ValueError, with the reason and the fix, where parts cannot work together."""
    conditioning, training = recipe.conditioning, recipe.training
    if conditioning.reads_labels and not recipe.generator.conditional:
        raise ValueError(
            f"conditioning {conditioning.kind} compares images with their labels, but a generator "
            "with conditional: false never sees labels; set generator.conditional=true, or "
            "conditioning.kind=unconditional"
        )
    part = training.batch_size // training.accumulation_steps
    if conditioning.compares_samples and part < 2:
        if training.batch_size == 1:
            raise ValueError(
                f"conditioning {conditioning.kind} compares the samples of a batch with each "
                "other, but training.batch_size is 1; set it to 2 or more, or judge each sample "
                "alone: --set 'conditioning={kind: projection}'"
            )
        parts = training.batch_size // 2
        while training.batch_size % parts:
            parts -= 1
        raise ValueError(
            f"conditioning {conditioning.kind} compares the samples of each part of a batch, but "
            f"batch_size {training.batch_size} in {training.accumulation_steps} parts leaves one; "
            f"use fewer training.accumulation_steps: {parts} at most"
        )
    kinds: list[str] = [regularizer.kind for regularizer in recipe.regularizers]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(f"regularizer {kind} is listed {kinds.count(kind)} times; keep one")
    for regularizer in recipe.regularizers:
        if regularizer.needs_independent_samples and recipe.discriminator.has_batch_norm:
            raise ValueError(
                f"regularizer {regularizer.kind} takes the gradient of each image's own score, but "
                "with batch norm a score depends on the whole batch; set "
                "discriminator.normalization=layer or none"
            )
    if "weight_clipping" in kinds and recipe.discriminator.spectral_norm:
        raise ValueError(
            "weight_clipping does nothing under spectral norm, which rescales every weight anew; "
            "set discriminator.spectral_norm=false, or leave weight_clipping out"
        )
    _check_adaptation(recipe, kinds)


def _check_adaptation(recipe: Recipe, kinds: list[str]) -> None:
    if recipe.augmentation is None or recipe.augmentation.kind != "ada":
        return
    if recipe.adversarial.kind in {"least_squares", "wasserstein"}:
        raise ValueError(
            "ada reads overfitting from the sign of the logits, but with adversarial "
            f"{recipe.adversarial.kind} 0 does not divide real from generated; use hinge or "
            "vanilla, or augmentation.kind=diff_augment"
        )
    if "latent_optimization" in kinds:
        raise ValueError(
            "latent_optimization differentiates twice through the augmentation, which ada's "
            "resampling cannot; use augmentation.kind=diff_augment, or leave one out"
        )


def load_recipe(name: str, overrides: list[str] | None = None) -> Recipe:
    """Load a recipe by name or path, and apply overrides such as ``training.batch_size=32``.

    Example:
        >>> import contragan
        >>> recipe = contragan.load_recipe("digits/contragan", ["training.batch_size=32"])
        >>> recipe.training.batch_size, recipe.conditioning.kind
        (32, 'contrastive')

    Raises:
        UserError: unknown recipe or key, wrong type, or settings that cannot work together.
    """
    return parse_recipe(recipe_text(name), name, overrides)


def parse_recipe(text: str, name: str, overrides: list[str] | None = None) -> Recipe:
    """Parse a recipe's YAML text; ``name`` is for messages."""
    raw = parse_yaml(text, f"recipe {name}", CLASS_NAMES)
    if not isinstance(raw, dict):
        raise UserError(f"recipe {name} is not a mapping of settings")
    before = copy.deepcopy(raw) if overrides else raw
    for override in overrides or []:
        _apply(raw, override)
    try:
        # By way of JSON, so that strict types still take a list for a tuple.
        return Recipe.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        attempt = Attempt(Recipe, name, before, raw)
        raise UserError(f"recipe {name}: {explain(error, attempt)}") from error
    except UserError as error:  # an import path that leads nowhere
        raise UserError(f"recipe {name}: {error}") from error
    except (TypeError, ValueError, RecursionError) as error:  # from JSON: a date, or a cycle
        raise UserError(
            f"recipe {name}: a value has a type that a recipe cannot hold ({error})"
        ) from error


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as YAML that :func:`parse_recipe` reads back."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)


CLASS_NAMES = ("data", "classes")
"""Where names of classes stand, which are taken as they are written."""


def _apply(raw: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    keys = path.strip().split(".")
    if not separator or not all(keys):
        raise UserError(
            f"--set {override}: write it as path=value, for example training.batch_size=32"
        )
    target = raw
    for key in keys[:-1]:
        child = target.get(key)
        if isinstance(child, list):
            raise UserError(
                f"--set {override}: '{key}' is a list; write it whole, such as "
                f"{key}=[{{kind: consistency, weight: 10}}]"
            )
        if child is None:
            child = target[key] = {}
        if not isinstance(child, dict):
            raise UserError(f"--set {override}: '{key}' is a value, it has no '{keys[-1]}' inside")
        target = child
    names = CLASS_NAMES[len(keys) :] if list(CLASS_NAMES[: len(keys)]) == keys else None
    target[keys[-1]] = parse_yaml(text, f"--set {override}: the value", names)
