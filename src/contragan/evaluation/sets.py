"""The sets that metrics compare, from one pass over the generated images and the real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contragan.core.errors import UserError
from contragan.evaluation.real_features import RealFeatures
from contragan.evaluation.reference import LabelledImages, same_images, stratified
from contragan.features.cache import Statistics
from contragan.features.feature_pass import Keep, Passed
from contragan.metrics import MeasuredSet, Sets, Training
from contragan.metrics.probe import FittedProbe
from contragan.recipes.evaluation import EvaluationConfig, needs


def what_to_keep(config: EvaluationConfig) -> Keep:
    """What a pass must keep for all metrics of ``config``."""
    wanted = needs(config)
    return Keep("features" in wanted, "logits" in wanted, "images" in wanted)


def measured(
    config: EvaluationConfig,
    generated: Passed,
    labels: NDArray[np.int64],
    real: RealFeatures,
    reference: LabelledImages,
    train: LabelledImages | None,
    made_by: Training | None,
) -> Sets:
    """The sets as the metrics of ``config`` see them; the reference set is passed over here.

    ``labels`` of the generated images are indices of the reference's classes.
    """
    wanted = needs(config)
    statistics = real(reference, features="features" in wanted)
    known = _Real(config, real, reference, statistics, train)
    compared = MeasuredSet(
        np.asarray(reference.labels),
        {"gaussian": lambda: statistics.gaussian, "images": lambda: _pixels(reference)}
        | _some(features=statistics.features),
    )
    training = compared
    if train is not None and not same_images(train, reference):
        parts: dict[str, Callable[[], Any]] = {"images": lambda: _pixels(train)}
        if "training_features" in wanted:
            parts["features"] = lambda: real(train, features=True).features
        training = MeasuredSet(np.asarray(train.labels), parts)
    extractor = real.passing.extractor
    return Sets(
        config,
        MeasuredSet(
            labels,
            {"gaussian": lambda: generated.gaussian}
            | _some(features=generated.features, logits=generated.logits, images=generated.images),
        ),
        compared,
        training,
        tuple(reference.class_names),
        extractor.name,
        extractor.device,
        made_by,
        known.probe if "probe" in wanted else None,
        real.passing.progress,
    )


def _some(**parts: np.ndarray | None) -> dict[str, Callable[[], Any]]:
    """The parts that were kept."""
    return {name: partial(np.asarray, kept) for name, kept in parts.items() if kept is not None}


def _pixels(images: LabelledImages) -> NDArray[np.uint8]:
    return images.images.transpose(0, 3, 1, 2)


@dataclass(frozen=True)
class _Real:
    """Real images and their features, to fit a probe to."""

    config: EvaluationConfig
    features: RealFeatures
    reference: LabelledImages
    statistics: Statistics
    train: LabelledImages | None

    def probe(self) -> FittedProbe:
        """A probe to test on the reference, or on a fifth of it where it is fitted to the rest."""
        limit, reference = self.config.probe_images, self.reference
        source = reference if self.train is None else self.train
        if tuple(source.class_names) != tuple(reference.class_names):
            raise UserError("the probe's training images and the reference differ in their classes")
        held = np.arange(len(reference.images))
        if same_images(source, reference):
            assert self.statistics.features is not None
            held = stratified(reference.labels, max(1, len(reference.images) // 5), 0)
            fitted = np.setdiff1d(np.arange(len(reference.images)), held)
            if limit is not None:
                fitted = fitted[stratified(reference.labels[fitted], limit, 0)]
            rows, key = np.array(self.statistics.features[fitted]), self.statistics.key
        else:
            fitted = stratified(source.labels, len(source.images) if limit is None else limit, 0)
            part = None if len(fitted) == len(source.images) else fitted
            train = self.features(source, features=True, indices=part)
            assert train.features is not None
            rows, key = train.features, train.key
        probe = self.features.probe(key, rows, source.labels[fitted], len(source.class_names))
        return FittedProbe(probe, len(fitted), held)
