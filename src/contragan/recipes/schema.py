"""The recipe: everything that decides what is trained, in one strict, flat file."""

from __future__ import annotations

import copy
import json
import re
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from contragan.augmentation import AugmentationConfig
from contragan.core.config import Config
from contragan.core.errors import UserError
from contragan.core.imports import is_import_path
from contragan.data import DataConfig
from contragan.losses.adversarial import AdversarialLoss
from contragan.losses.regularizers import RegularizerConfig
from contragan.models import GeneratorConfig, TrunkConfig
from contragan.models.heads import ConditioningConfig
from contragan.recipes.catalog import nearest, recipe_text
from contragan.recipes.evaluation import PROTOCOLS, EvaluationConfig
from contragan.recipes.problems import Attempt, explain


class AdamConfig(Config):
    """Settings of Adam."""

    learning_rate: float = Field(gt=0)
    beta1: float = Field(ge=0, lt=1)
    beta2: float = Field(ge=0, lt=1)
    eps: float = Field(gt=0)


class EMAConfig(Config):
    """Moving average of the generator's weights, a plain copy before ``start_iteration``."""

    decay: float = Field(gt=0, lt=1)
    start_iteration: int = Field(ge=0)


class TrainingConfig(Config):
    """How long and how to train; an iteration is one generator update.

    ``batch_size`` images of all processes together make an update, in ``accumulation_steps`` parts;
    a loss that compares samples sees one part at a time. ``evaluate_at_start`` scores the untrained
    generator too.
    """

    total_iterations: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    accumulation_steps: int = Field(gt=0)
    discriminator_steps: int = Field(gt=0)
    discriminator_optimizer: AdamConfig
    generator_optimizer: AdamConfig
    ema: EMAConfig | None
    precision: Literal["fp32", "bf16"]
    synchronized_batch_norm: bool = False
    log_every_iterations: int = Field(gt=0)
    sample_every_iterations: int = Field(gt=0)
    checkpoint_every_iterations: int = Field(gt=0)
    evaluate_every_iterations: int | None = Field(gt=0)
    evaluate_at_start: bool

    @model_validator(mode="after")
    def _divides(self) -> TrainingConfig:
        if self.batch_size % self.accumulation_steps:
            raise ValueError(
                f"batch_size {self.batch_size} is not divisible by accumulation_steps "
                f"{self.accumulation_steps}: change one of them"
            )
        return self


class ReferenceConfig(Config):
    """Where the settings come from, and the published score to show beside ours.

    ``published_fid`` is the best evaluation of a run, as published, under the named protocol
    ``published_protocol``. ``note`` says what differs here from the published settings.
    """

    paper: str
    table: str | None = None
    published_fid: float | None = None
    published_protocol: str | None = None
    note: str | None = None

    @field_validator("published_protocol")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in PROTOCOLS:
            raise ValueError(f"there is no such protocol{nearest(name, list(PROTOCOLS))}")
        return name


class Recipe(Config):
    """One GAN on one data set."""

    description: str
    data: DataConfig
    generator: GeneratorConfig
    discriminator: TrunkConfig
    conditioning: ConditioningConfig
    adversarial: AdversarialLoss
    regularizers: tuple[RegularizerConfig, ...] = ()
    augmentation: AugmentationConfig | None = None
    training: TrainingConfig
    evaluation: EvaluationConfig
    reference: ReferenceConfig

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
        self.generator.check(self.data.resolution)
        self.discriminator.check(self.data.resolution)
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


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-4 is a number, as in YAML 1.2."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
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
    raw = _parse_yaml(text, f"recipe {name}", CLASS_NAMES)
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
"""Where names of classes stand, which are taken as they are written: 007 and no are names too."""


def _parse_yaml(text: str, where: str, names: tuple[str, ...] | None = None) -> Any:
    """The value of a YAML text; ``names`` is the path in it of a list of names, () for itself."""
    try:
        loader = _Loader(text)  # a subclass of SafeLoader
        node = loader.get_single_node()
        if node is None:
            return None
        if names is not None:
            _as_written(node, names)
        return loader.construct_document(node)
    except (yaml.YAMLError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise UserError(f"{where} is not valid YAML: {problem}") from error


def _as_written(node: yaml.Node, path: tuple[str, ...]) -> None:
    """Make the scalars of the list at ``path`` texts, whatever type YAML sees in them."""
    if path and isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == path[0]:
                _as_written(value, path[1:])
    elif not path and isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if isinstance(item, yaml.ScalarNode):
                item.tag = "tag:yaml.org,2002:str"


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
    target[keys[-1]] = _parse_yaml(text, f"--set {override}: the value", names)
