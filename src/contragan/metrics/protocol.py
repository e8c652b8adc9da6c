"""One evaluation: a stated protocol, one pass over generated images, one record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from contragan.config import Config
from contragan.errors import UserError
from contragan.metrics.batch_norm import BatchNormMode
from contragan.metrics.cache import Statistics, StatisticsCache
from contragan.metrics.class_fidelity import ClassFidelity, fidelity_of_features
from contragan.metrics.features import FeatureExtractor, Resize
from contragan.metrics.frechet import Gaussian, Moments, frechet_distance_from_moments
from contragan.metrics.record import EvaluationRecord, versions
from contragan.metrics.reference import (
    Progress,
    RealFeatures,
    ReferenceSet,
    apportion,
    stratified,
)
from contragan.types import to_uint8

Draw = Callable[[Tensor], Tensor]
"""Maps labels (B,) to images (B, C, H, W): uint8, or float in [-1, 1], where NaN can be seen."""

MetricName = Literal["frechet_distance", "class_fidelity"]


class EvaluationConfig(Config):
    """What is compared with what: everything that a score depends on, beside the model.

    ``num_images`` None means as many as the reference has. ``reference`` is the split of the real
    images. ``labels`` of the generated ones follow the reference's class counts or are uniform.
    ``probe_images`` bounds the real images that the linear probe is fitted to (None: all).
    ``batch_size`` matters to the score only with ``batch_norm: batch`` or ``standing``.
    """

    features: str = Field(pattern=r"^(efficientnet-lite0|inception|pixels|timm:.+)$")
    num_images: int | None = Field(ge=2)
    reference: Literal["train", "test"]
    batch_norm: BatchNormMode
    labels: Literal["reference", "uniform"]
    metrics: tuple[MetricName, ...] = Field(min_length=1)
    resize: Resize | None = None
    standing_batches: int = Field(default=16, ge=1)
    batch_size: int = Field(default=64, ge=1)
    probe_images: int | None = Field(default=None, ge=2)


@dataclass(frozen=True)
class Generated:
    """What one pass over generated images leaves: ``features`` (N, D) only if asked for."""

    gaussian: Gaussian
    labels: NDArray[np.int64]
    features: np.ndarray | None


def label_sequence(
    reference: ReferenceSet, config: EvaluationConfig, seed: int
) -> NDArray[np.int64]:
    """Labels (N,) of the images to generate: exact class counts, shuffled by ``seed``."""
    total = config.num_images if config.num_images is not None else len(reference.images)
    counts = np.bincount(reference.labels, minlength=len(reference.class_names))
    weights = counts if config.labels == "reference" else np.ones_like(counts)
    labels = np.repeat(np.arange(len(counts)), apportion(weights, total))
    return np.random.default_rng(seed).permutation(labels)


def evaluate(
    draw: Draw,
    *,
    reference: ReferenceSet,
    probe_train: ReferenceSet | None,
    config: EvaluationConfig,
    extractor: FeatureExtractor,
    cache_dir: Path | None = None,
    seed: int = 0,
    context: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> EvaluationRecord:
    """Generates images with ``draw`` and compares them with ``reference``.

    ``probe_train`` are the real images that the class probe is fitted to; where it is None or the
    reference itself, a fifth of the reference is held out instead. ``context`` (iteration, EMA,
    recipe: JSON values) goes into the record as it is. ``draw`` is called under
    ``torch.inference_mode``; the caller puts the generator into the evaluation mode that
    ``config.batch_norm`` names. UserError on images that are not finite or of another shape.
    """
    started = time.perf_counter()
    pass_over = RealFeatures(extractor, StatisticsCache(cache_dir), config.batch_size, progress)
    wants_classes = "class_fidelity" in config.metrics
    labels = label_sequence(reference, config, seed)
    generated = generate_features(
        draw, labels, extractor, reference, config, keep=wants_classes, progress=progress
    )
    real = pass_over(reference, features=wants_classes)
    values: dict[str, float] = {}
    warnings: list[str] = []
    counts = {"generated": len(labels), "reference": len(reference.images)}
    fidelity: ClassFidelity | None = None
    if "frechet_distance" in config.metrics:
        values["frechet_distance"] = frechet_distance_from_moments(
            real.gaussian, generated.gaussian
        )
        warnings += bias_warnings(extractor, counts)
    if wants_classes:
        fidelity, probe_counts = measure_fidelity(
            generated, real, reference, probe_train, config.probe_images, pass_over
        )
        counts |= probe_counts
        values |= {
            "class_accuracy": fidelity.accuracy,
            "real_class_accuracy": fidelity.real_accuracy,
            "relabelled_class_accuracy": fidelity.relabelled_accuracy,
        }
        message = fidelity.message()
        warnings += [message] if message else []
    return EvaluationRecord(
        values=values,
        class_fidelity=None if fidelity is None else fidelity.to_dict(),
        protocol=stated_protocol(config, extractor, reference),
        counts=counts,
        seed=seed,
        context=dict(context or {}),
        versions=versions(),
        warnings=tuple(warnings),
        wall_seconds=time.perf_counter() - started,
    )


def stated_protocol(
    config: EvaluationConfig, extractor: FeatureExtractor, reference: ReferenceSet
) -> dict[str, Any]:
    """The whole protocol as JSON values: settings, extractor, data."""
    data = {
        "name": reference.name,
        "split": reference.split,
        "fingerprint": reference.fingerprint,
    }
    return {**config.model_dump(mode="json"), "extractor": extractor.protocol(), "data": data}


def generate_features(
    draw: Draw,
    labels: NDArray[np.int64],
    extractor: FeatureExtractor,
    reference: ReferenceSet,
    config: EvaluationConfig,
    *,
    keep: bool,
    progress: Progress | None,
) -> Generated:
    """One pass: draws every image once, and keeps moments, and features where ``keep``."""
    moments = Moments(extractor.dim)
    rows = np.empty((len(labels), extractor.dim), dtype=np.float32) if keep else None
    height, width, channels = reference.images.shape[1:]
    for start in range(0, len(labels), config.batch_size):
        part = torch.from_numpy(labels[start : start + config.batch_size])
        with torch.inference_mode():
            images = checked_images(draw(part), (len(part), channels, height, width))
        features = extractor(images).features.cpu()
        if not torch.isfinite(features).all():
            raise UserError(f"{extractor.name} gave features that are not finite")
        moments.update(features)
        if rows is not None:
            rows[start : start + len(part)] = features.numpy()
        if progress is not None:
            progress("generated images", start + len(part), len(labels))
    return Generated(moments.gaussian(), labels, rows)


def checked_images(images: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    """Drawn images as uint8; UserError where they are not finite or not of ``shape``."""
    if tuple(images.shape) != shape:
        raise UserError(
            f"the generator drew images of shape {tuple(images.shape)}, the reference needs "
            f"{shape} (batch, channels, height, width): compare images of one size and colour"
        )
    if images.dtype == torch.uint8:
        return images
    if not torch.isfinite(images).all():
        raise UserError(
            "the generator drew images with NaN or infinite pixels: its weights have diverged; "
            "evaluate an earlier checkpoint"
        )
    return to_uint8(images)


def bias_warnings(extractor: FeatureExtractor, counts: Mapping[str, int]) -> list[str]:
    """A line where a set has too few images for the Fréchet distance to mean much."""
    few = min(counts["generated"], counts["reference"])
    if few > extractor.dim:
        return []
    return [
        f"{few} images for {extractor.dim} feature dimensions: the Fréchet distance is biased "
        "upwards and not comparable with other counts. Use more images, or the kernel distance "
        "(KID), whose estimate is unbiased."
    ]


def measure_fidelity(
    generated: Generated,
    real: Statistics,
    reference: ReferenceSet,
    probe_train: ReferenceSet | None,
    probe_images: int | None,
    pass_over: RealFeatures,
) -> tuple[ClassFidelity, dict[str, int]]:
    """The probe's view of the generated images, and how many real ones it was fitted to, tested on.

    The probe is tested on the reference; where it has no other images to be fitted to, on a fixed
    fifth of the reference, and fitted to the rest.
    """
    assert generated.features is not None
    assert real.features is not None
    if probe_train is None or _same_images(probe_train, reference):
        held = stratified(reference.labels, max(1, len(reference.images) // 5), 0)
        fitted = np.setdiff1d(np.arange(len(reference.images)), held)
        if probe_images is not None:
            fitted = fitted[stratified(reference.labels[fitted], probe_images, 0)]
        source, rows, key = reference, np.array(real.features[fitted]), real.key
    else:
        if tuple(probe_train.class_names) != tuple(reference.class_names):
            raise UserError("the probe's training images and the reference differ in their classes")
        held = np.arange(len(reference.images))
        wanted = len(probe_train.images) if probe_images is None else probe_images
        fitted = stratified(probe_train.labels, wanted, 0)
        train = pass_over(
            probe_train,
            features=True,
            indices=None if len(fitted) == len(probe_train.images) else fitted,
        )
        assert train.features is not None
        source, rows, key = probe_train, train.features, train.key
    probe = pass_over.cached_probe(key, rows, source.labels[fitted], len(source.class_names))
    result = fidelity_of_features(
        probe,
        generated.features,
        generated.labels,
        held_out=(real.features[held], reference.labels[held]),
        class_names=reference.class_names,
    )
    return result, {"probe_fitted": len(fitted), "probe_held_out": len(held)}


def _same_images(first: ReferenceSet, second: ReferenceSet) -> bool:
    return (first.fingerprint, first.split) == (second.fingerprint, second.split)
