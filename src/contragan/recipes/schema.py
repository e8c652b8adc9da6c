"""The recipe: everything that decides what is trained, in one strict, flat file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from contragan.augmentation import AugmentationConfig
from contragan.core.config import Config
from contragan.core.errors import UserError
from contragan.data import DataConfig
from contragan.losses.adversarial import AdversarialLoss
from contragan.losses.regularizers import RegularizerConfig
from contragan.models import GeneratorConfig, TrunkConfig
from contragan.models.heads import ConditioningConfig
from contragan.recipes.catalog import nearest, recipe_text
from contragan.recipes.evaluation import PROTOCOLS, EvaluationConfig


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
        if regularizer.needs_independent_samples and recipe.discriminator.normalization == "batch":
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

    Raises:
        UserError: unknown recipe or key, wrong type, or settings that cannot work together.
    """
    return parse_recipe(recipe_text(name), name, overrides)


def parse_recipe(text: str, name: str, overrides: list[str] | None = None) -> Recipe:
    """Parse a recipe's YAML text; ``name`` is for messages."""
    raw = _parse_yaml(text, f"recipe {name}")
    if not isinstance(raw, dict):
        raise UserError(f"recipe {name} is not a mapping of settings")
    for override in overrides or []:
        _apply(raw, override)
    try:
        # By way of JSON, so that strict types still take a list for a tuple.
        return Recipe.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        raise UserError(f"recipe {name}: {_explain(error)}") from error
    except (TypeError, ValueError, RecursionError) as error:  # from JSON: a date, or a cycle
        raise UserError(
            f"recipe {name}: a value has a type that a recipe cannot hold ({error})"
        ) from error


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as YAML that :func:`parse_recipe` reads back."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)


def _parse_yaml(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # a subclass of SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise UserError(f"{where} is not valid YAML: {problem}") from error


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
    target[keys[-1]] = _parse_yaml(text, f"--set {override}: the value")


def _explain(error: ValidationError) -> str:
    parts = []
    for problem in error.errors(include_url=False)[:3]:
        location = [str(step) for step in problem["loc"]]
        model, path, kinds = _model_at(location)
        where = ".".join(path)
        if problem["type"] == "extra_forbidden":
            valid = list(model.model_fields) if model else []
            parts.append(f"unknown key '{where}'{nearest(path[-1], valid)}")
        elif problem["type"] == "missing":
            parts.append(f"key '{where}' is missing")
        elif problem["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            given, expected = problem["ctx"].get("tag"), kinds
            if given is None:
                parts.append(f"'{where}' needs its kind (valid: {', '.join(expected)})")
            else:
                parts.append(f"'{where}.kind' is '{given}'{nearest(str(given), expected)}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            given = problem["input"]
            shown = f" (got {given!r})" if isinstance(given, str | int | float | bool) else ""
            parts.append(f"'{where}': {message}{shown}" if where else f"{message}")
    more = error.error_count() - 3
    return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")


def _model_at(location: list[str]) -> tuple[type[BaseModel] | None, list[str], list[str]]:
    """The model whose key a pydantic error location names, the path without union tags, and the
    tags to choose from where the path ends in a union."""
    model: type[BaseModel] | None = Recipe
    path: list[str] = []
    candidates: dict[str, type[BaseModel]] = {}
    for step in location:
        if step in candidates:  # a union's tag, which the recipe's own path does not hold
            model, candidates = candidates[step], {}
            continue
        path.append(step)
        parent, model = model, None
        if parent is not None and step in parent.model_fields:
            models = list(_models_in(parent.model_fields[step].annotation))
            if len(models) == 1:
                model = models[0]
            candidates = {str(_tag(m)): m for m in models if _tag(m)}
        elif step == location[-1]:
            model = parent
    return model, path, list(candidates)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    return get_args(field.annotation)[0] if field else None
