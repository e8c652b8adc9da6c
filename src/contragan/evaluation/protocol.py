"""Evaluating by a stated protocol: images that a generator draws, or images that are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contragan.core.errors import UserError
from contragan.core.pair_pictures import ClosestPairs
from contragan.core.processes import Ranks
from contragan.core.types import to_levels, to_uint8
from contragan.evaluation.job import Job
from contragan.evaluation.labels import by_class, in_classes_of, matched_labels, metrics_that_fit
from contragan.evaluation.record import EvaluationRecord
from contragan.evaluation.reference import (
    LabelledImages,
    apportion,
    image_batch,
    shown_name,
)
from contragan.features.extractor import FeatureExtractor
from contragan.features.feature_pass import Progress
from contragan.metrics import Training
from contragan.recipes.evaluation import EvaluationConfig

Draw = Callable[[Tensor], Tensor]
"""Maps labels (B,) to images (B, C, H, W): uint8, or float in [-1, 1], where NaN can be seen."""


@dataclass(frozen=True)
class IndexedDraw:
    """A draw whose images depend on their place: ``function(labels (B,), indices (B,))``.

    What image ``i`` looks like must follow from its label and ``i`` alone. Several processes then
    draw the images that one would.
    """

    function: Callable[[Tensor, Tensor], Tensor]


def label_sequence(
    reference: LabelledImages, config: EvaluationConfig, seed: int
) -> NDArray[np.int64]:
    """Labels (N,) of the images to generate, from ``seed``: exact class counts, or drawn."""
    total = config.num_images if config.num_images is not None else len(reference.images)
    random = np.random.default_rng(seed)
    if config.labels == "random":
        return random.integers(len(reference.class_names), size=total, dtype=np.int64)
    counts = np.bincount(reference.labels, minlength=len(reference.class_names))
    weights = counts if config.labels == "reference" else np.ones_like(counts)
    labels = np.repeat(np.arange(len(counts)), apportion(weights, total))
    return random.permutation(labels)


def evaluate(
    draw: Draw | IndexedDraw,
    *,
    reference: LabelledImages,
    probe_train: LabelledImages | None,
    config: EvaluationConfig,
    extractor: FeatureExtractor,
    cache_dir: Path | None = None,
    seed: int = 0,
    context: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    ranks: Ranks | None = None,
    closest_pairs: Callable[[ClosestPairs], None] | None = None,
    made_by: Training | None = None,
) -> EvaluationRecord:
    """Generates images with ``draw`` and compares them with ``reference``.

    ``probe_train`` are the real training images, for the class probe, memorisation and CAS; where
    it is None or the reference itself, the probe is tested on a fifth of the reference that it was
    not fitted to. ``context`` (iteration, EMA, recipe: JSON values) goes into the record as it is.
    ``draw`` is called under ``torch.inference_mode``; the caller puts the generator into the mode
    that ``config.batch_norm`` names. With ``ranks`` every process calls this with equal arguments,
    draws its share, best by an :class:`IndexedDraw`, and gets the same record. ``closest_pairs``
    receives the pictures behind the memorisation check. ``made_by``, what is known of the
    generator's training, decides whether it is judged by labels and what is advised.

    Metrics by class need two classes: with one, a named protocol leaves them out, and the record
    says so. UserError, before anything is drawn, where the user chose them for one class, a set has
    too few images, or memory does not suffice; later where images are not finite or not of the
    reference's shape.
    """
    config, notes = metrics_that_fit(config, reference)
    if probe_train is not None and by_class(config):
        probe_train = in_classes_of(probe_train, reference)
    labels = label_sequence(reference, config, seed)
    height, width, channels = reference.images.shape[1:]

    def batch(start: int, stop: int) -> Tensor:
        part = torch.from_numpy(labels[start:stop])
        with torch.inference_mode():
            if isinstance(draw, IndexedDraw):
                images = draw.function(part, torch.arange(start, stop))
            else:
                images = draw(part)
            return checked_images(
                images, (len(part), channels, height, width), rounding=config.rounding
            )

    job = Job(
        reference,
        probe_train,
        config,
        extractor,
        cache_dir,
        progress,
        ranks or Ranks(),
        notes,
        made_by=made_by,
    )
    return job.run(batch, labels, seed, context or {}, closest_pairs)


def evaluate_images(
    generated: LabelledImages,
    *,
    reference: LabelledImages,
    probe_train: LabelledImages | None = None,
    config: EvaluationConfig,
    extractor: FeatureExtractor,
    cache_dir: Path | None = None,
    context: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    closest_pairs: Callable[[ClosestPairs], None] | None = None,
) -> EvaluationRecord:
    """Compares images that anything has generated with ``reference``.

    All of ``generated`` is used, whatever ``config.num_images`` says. Labels and batch norm are
    recorded as unknown, and rounding as done, for files hold 8 bits. Metrics by class match classes
    by name: those that are absent from ``generated`` count as 0 and are named. UserError where
    sizes or channels differ, where ``generated`` has classes that ``reference`` lacks, and as
    :func:`evaluate`.
    """
    name = shown_name(generated)
    if generated.images.shape[1:] != reference.images.shape[1:]:
        raise UserError(
            f"{name} holds images of {_size(generated)}, {shown_name(reference)} of "
            f"{_size(reference)}: bring them to one size and colour first"
        )
    config, notes = metrics_that_fit(config, reference, generated)
    labels = generated.labels
    if by_class(config):
        labels = matched_labels(generated, reference)
        probe_train = None if probe_train is None else in_classes_of(probe_train, reference)
    job = Job(reference, probe_train, config, extractor, cache_dir, progress, Ranks(), notes, name)
    record = job.run(
        lambda start, stop: image_batch(generated.images, slice(start, stop)),
        np.asarray(labels),
        0,
        {"generated": name, "generated_fingerprint": generated.fingerprint} | dict(context or {}),
        closest_pairs,
    )
    facts = {
        "labels": "unknown",
        "batch_norm": "unknown",
        "num_images": len(generated.images),
        "rounding": True,
    }
    warnings = record.warnings
    if not config.rounding:
        warnings += (
            f"{generated.name} holds images of 8 bits, so rounded ones; the protocol "
            f"({config.protocol or 'without a name'}) takes images that are not rounded",
        )
    return replace(record, protocol={**record.protocol, **facts}, warnings=warnings)


def checked_images(
    images: Tensor, shape: tuple[int, int, int, int], *, rounding: bool = True
) -> Tensor:
    """Drawn images as uint8, or as float in [0, 255] without ``rounding``.

    UserError where they are not finite, not of ``shape``, or rounded against the protocol.
    """
    if tuple(images.shape) != shape:
        raise UserError(
            f"the generator drew images of shape {tuple(images.shape)}, the reference needs "
            f"{shape} (batch, channels, height, width): compare images of one size and colour"
        )
    if images.dtype == torch.uint8:
        if not rounding:
            raise UserError(
                "this protocol takes images that are not rounded to 8 bits, but these are: draw "
                "float images in [-1, 1], or set rounding: true"
            )
        return images
    if not torch.isfinite(images).all():
        raise UserError(
            "the generator drew images with NaN or infinite pixels: its weights have diverged; "
            "evaluate an earlier checkpoint"
        )
    return to_uint8(images) if rounding else to_levels(images)


def _size(images: LabelledImages) -> str:
    height, width, channels = images.images.shape[1:]
    return f"{width} x {height} pixels with {channels} channel{'s' if channels > 1 else ''}"
