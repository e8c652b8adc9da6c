"""Whether an evaluation has images and memory enough: known before it starts."""

from __future__ import annotations

import math

import torch

from contragan.core.errors import UserError
from contragan.core.gaussian import rows_suffice
from contragan.core.memory import free_memory
from contragan.core.words import images_of, readable
from contragan.evaluation.reference import LabelledImages, same_images, shown_name
from contragan.features.extractor import FeatureExtractor
from contragan.features.feature_pass import Keep
from contragan.metrics import Sizes
from contragan.metrics.frechet import COLUMNS
from contragan.recipes.evaluation import EvaluationConfig, chosen, needs

_COPIES = 4
"""Of features that metrics work on: themselves, a tensor of them, and that one centred or scaled,
with room for what is being computed."""


def check_counts(
    config: EvaluationConfig,
    generated: tuple[str, int],
    reference: LabelledImages,
    train: LabelledImages | None,
) -> None:
    """Raises UserError where a set has too few images; ``generated`` is a name and a number."""
    fewest = [metric.fewest_images(config) for metric in chosen(config)]
    need, what = max(fewest, key=lambda asked: asked[0])
    for name, count in (generated, (shown_name(reference), len(reference.images))):
        if count < need:
            raise UserError(f"{name} holds {images_of(count)}: {what} at least {need} in every set")
    if train is not None and len(train.images) < 2:
        held = f"{shown_name(train)} {train.split} holds {images_of(len(train.images))}"
        raise UserError(f"{held}: comparing with training images needs at least 2")


def check_room(
    config: EvaluationConfig,
    keep: Keep,
    extractor: FeatureExtractor,
    generated: int,
    reference: LabelledImages,
    train: LabelledImages | None,
) -> None:
    """Raises UserError, with the estimate, where the evaluation would not fit in memory."""
    count = len(reference.images)
    training = count if train is None else len(train.images)
    fitted = min(training, config.probe_images or training)
    other, wanted = 0, needs(config)
    if train is not None and not same_images(train, reference):
        if "training_features" in wanted:
            other = training
        elif "probe" in wanted:
            other = fitted
    image_bytes = math.prod(reference.images.shape[1:])
    sizes = Sizes(generated, count, training, fitted, len(reference.class_names), image_bytes)
    need = bytes_needed(keep, extractor.dim, generated, count, other)
    need += sum(metric.memory(sizes) for metric in chosen(config))
    need += generated * image_bytes if keep.images else 0
    free = free_memory(torch.device("cpu"))
    if need > free:
        remedy = (
            "use the features efficientnet-lite0, or smaller or fewer images"
            if extractor.name == "pixels"
            else "compare fewer images, or ask for fewer metrics"
        )
        raise UserError(
            f"comparing {generated:,} with {count:,} images by {extractor.dim:,} {extractor.name} "
            f"features each takes about {readable(need)} of memory, and {readable(free)} are "
            f"free: {remedy}"
        )


def bytes_needed(keep: Keep, dim: int, generated: int, reference: int, other: int = 0) -> int:
    """About the most memory that an evaluation takes at once, beside the images.

    ``other`` counts training images whose features are wanted too. The Gaussians of both sets are
    held together, and so are features; the distance and the other metrics come one after another.
    """
    covariance = 8 * dim * dim
    few = [rows_suffice(count, dim) for count in (generated, reference)]
    features = sum(
        4 * dim * count
        for count, rows in zip((generated, reference), few, strict=True)
        if keep.features or rows
    )
    held = features + covariance * few.count(False)
    # A block of either set's columns in float64, with what centring it takes.
    blocks = 3 * 8 * (generated + reference) * min(dim, COLUMNS)
    if few == [True, True]:
        distance = 2 * 8 * generated * reference + blocks  # the product of the rows, and a copy
    elif few == [False, False]:
        distance = 4 * covariance
    else:
        distance = 3 * covariance + 2 * 8 * dim * min(generated, reference) + blocks
    copies = 0
    if keep.features:
        largest = max(generated + reference, other)
        copies = 4 * dim * ((_COPIES - 1) * largest + other)
    return held + max(distance, copies)
