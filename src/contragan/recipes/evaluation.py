"""The evaluation's settings, and the protocols that have a name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from contragan.core.config import Config
from contragan.core.errors import UserError
from contragan.features.extractor import Precision, Resize
from contragan.metrics import ClassifierConfig, Metric
from contragan.metrics.registry import METRICS, checked_name
from contragan.models.batch_norm import BatchNormMode

MetricName = Annotated[str, AfterValidator(checked_name)]


class EvaluationConfig(Config):
    """What is compared with what: everything that a score depends on, apart from the model.

    The numbers of subsets, splits and neighbours are the published ones.
    """

    features: str = Field(pattern=r"^(efficientnet-lite0|inception|pixels|timm:.+)$")
    """What turns images into features: pixels, efficientnet-lite0, inception or timm:MODEL."""
    num_images: int | None = Field(ge=2)
    """How many images to generate; null for as many as the reference has."""
    reference: Literal["train", "test"]
    """Split of real images to compare with."""
    batch_norm: BatchNormMode
    """Statistics of the generator's batch norms: running averages, each batch's own, or standing
    (averaged anew over some batches)."""
    labels: Literal["reference", "uniform", "random"]
    """Labels of generated images: as many of each class as the reference has, as many of each class
    as of any other (uniform), or drawn one by one (random)."""
    metrics: tuple[MetricName, ...] = Field(min_length=1)
    """What is measured; an unknown name lists them all. One formula is inception_score with
    Inception's features and classifier_score with any others."""
    protocol: str | None = None
    """Name of the protocol that these settings are, where they are one."""
    rounding: bool = True
    """Whether generated images are rounded to the 256 levels of a file first, as reference images
    are."""
    resize: Resize | None = None
    """How images are resized for the features; null for the extractor's own way."""
    precision: Precision = "float32"
    """Arithmetic of the extractor; bfloat16 is faster where the processor has it, and changed a
    Fréchet distance by up to 1.7% (docs/performance.md)."""
    standing_batches: int = Field(default=16, ge=1)
    """Batches that standing statistics are averaged over."""
    batch_size: int = Field(default=64, ge=1)
    """Images at a time; changes scores only where batch norm uses batch or standing statistics."""
    probe_images: int | None = Field(default=None, ge=2)
    """Most real images that the linear probe of class fidelity is fitted to; null for all."""
    kernel_subsets: int = Field(default=100, ge=1)
    """Subsets that the kernel distance is averaged over."""
    kernel_subset_size: int = Field(default=1000, ge=2)
    """Images in each of those subsets."""
    inception_splits: int = Field(default=10, ge=1)
    """Splits of the Inception or classifier score."""
    manifold_neighbours: int = Field(default=3, ge=1)
    """Neighbours that define a neighbourhood in precision and recall."""
    density_neighbours: int = Field(default=5, ge=1)
    """The same in density and coverage."""
    classifier: ClassifierConfig = ClassifierConfig()
    """The classifier that classification accuracy scores train."""

    @field_validator("metrics")
    @classmethod
    def _by_right_names(
        cls, metrics: tuple[MetricName, ...], info: ValidationInfo
    ) -> tuple[MetricName, ...]:
        both = ("inception_score", "classifier_score")
        right = both[0] if info.data.get("features") == "inception" else both[1]
        return tuple(dict.fromkeys(right if name in both else name for name in metrics))


PROTOCOLS: dict[str, dict[str, Any]] = {
    # The tables of the paper: as many images as the test set (CIFAR-10) or the validation set (Tiny
    # ImageNet, ImageNet), through pytorch-fid, which resizes bilinearly; what the paper does not
    # state is as in the authors' software of June 2020.
    "contragan-paper": {
        "features": "inception",
        "resize": "bilinear",
        "num_images": None,
        "reference": "test",
        "batch_norm": "running",
        "labels": "random",
        "rounding": False,
        "metrics": ("frechet_distance", "class_fidelity"),
    },
    # The benchmark of the authors' software up to 2021, on CIFAR-10 and Tiny ImageNet: the same but
    # for each batch's own statistics. The size of those batches is not stated.
    "studiogan-2021": {
        "features": "inception",
        "resize": "bilinear",
        "num_images": None,
        "reference": "test",
        "batch_norm": "batch",
        "labels": "random",
        "rounding": False,
        "metrics": ("frechet_distance", "class_fidelity"),
    },
    # The convention of most later work: 50,000 images against the whole training set.
    "full": {
        "features": "inception",
        "num_images": 50_000,
        "reference": "train",
        "batch_norm": "running",
        "labels": "reference",
        "metrics": (
            "frechet_distance",
            "kernel_distance",
            "inception_score",
            "precision_recall",
            "class_diversity",
            "intra_class_distance",
            "class_fidelity",
            "memorisation",
        ),
    },
}


def named_protocol(name: str, **changes: Any) -> EvaluationConfig:
    """The protocol called ``name``, with ``changes`` to single settings.

    A changed protocol's name lists the changes.
    UserError for an unknown name.
    """
    if name not in PROTOCOLS:
        raise UserError(f"unknown protocol {name!r}: choose from {', '.join(PROTOCOLS)}")
    settings = PROTOCOLS[name]
    changed = {key: value for key, value in changes.items() if settings.get(key) != value}
    title = name if not changed else f"{name}, changed: {', '.join(sorted(changed))}"
    return EvaluationConfig.model_validate({**settings, **changed, "protocol": title})


def in_todays_terms(protocol: dict[str, Any]) -> dict[str, Any]:
    """A stated protocol as today's version would state it, for records of earlier versions.

    They always rounded, and their ``contragan-paper`` differed: each batch's own statistics,
    equally many labels of each class, rounding.
    """
    if "rounding" in protocol:
        return protocol
    name = protocol.get("protocol")
    if isinstance(name, str) and name.startswith("contragan-paper"):
        name = name.replace("contragan-paper", "contragan-paper (version 1)", 1)
    return {**protocol, "protocol": name, "rounding": True}


def has_protocols_metrics(config: EvaluationConfig) -> bool:
    """Whether the metrics are a named protocol's, and not the user's own choice."""
    if config.protocol is None:
        return False
    _, _, changes = config.protocol.partition(", changed: ")
    return "metrics" not in changes.split(", ")


def chosen(config: EvaluationConfig) -> list[Metric]:
    """The metrics of ``config``, in its order."""
    return [METRICS[name] for name in config.metrics]


def needs(config: EvaluationConfig) -> frozenset[str]:
    """What the metrics of ``config`` need, all together."""
    return frozenset().union(*(metric.needs for metric in chosen(config)))
