"""Every metric's scores from one pass: one function per metric, and the table that names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from contragan.core.errors import UserError
from contragan.evaluation.labels import by_class, class_counts, shortened
from contragan.evaluation.reference import (
    RealFeatures,
    ReferenceSet,
    same_images,
    shown_name,
    stratified,
)
from contragan.features.cache import Statistics
from contragan.features.feature_pass import Keep, Passed, Progress
from contragan.metrics.advice import Training, advice
from contragan.metrics.class_fidelity import fidelity_of_features
from contragan.metrics.classification_accuracy import score_classifier, train_classifier
from contragan.metrics.distinct import DistinctImages, count_distinct
from contragan.metrics.findings import Finding, collapse, label_faults
from contragan.metrics.frechet import frechet_distance_from_moments
from contragan.metrics.inception_score import inception_score
from contragan.metrics.intra_class import intra_class_distance
from contragan.metrics.kernel import kernel_distance
from contragan.metrics.memorisation import Memorisation, find_memorised
from contragan.metrics.precision_recall import precision_recall_density_coverage
from contragan.recipes.evaluation import EvaluationConfig, MetricName

CLOSEST_PAIRS = 16
"""Pairs of a generated and its nearest training image that a record lists."""

FEWEST_PER_SPLIT = 10
"""Images per split below which no classifier score is given: it cannot exceed their number."""


@dataclass(frozen=True)
class Sets:
    """What the metrics compare: generated images, the reference, and training images if given.

    ``labels`` of the generated images are indices of the reference's classes. ``given`` is the name
    of generated images that came as they are; None where a generator drew those labels.
    """

    config: EvaluationConfig
    made_by: Training | None = field(default=None, kw_only=True)
    generated: Passed
    labels: NDArray[np.int64]
    real: Statistics
    reference: ReferenceSet
    train: ReferenceSet | None
    real_features: RealFeatures
    progress: Progress | None
    given: str | None = None

    @property
    def generated_features(self) -> np.ndarray:
        assert self.generated.features is not None
        return self.generated.features

    @property
    def reference_features(self) -> np.ndarray:
        assert self.real.features is not None
        return self.real.features

    @property
    def training_set(self) -> ReferenceSet:
        """The training images; the reference itself where there are no others."""
        return self.reference if self.train is None else self.train

    @property
    def train_is_reference(self) -> bool:
        return same_images(self.training_set, self.reference)


@dataclass
class Scores:
    """What the metrics found: scores, details as JSON values, sentences, and counts."""

    values: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    memorisation: Memorisation | None = None
    distinct: DistinctImages | None = None


def _frechet(sets: Sets, scores: Scores) -> None:
    scores.values["frechet_distance"] = frechet_distance_from_moments(
        sets.real.gaussian, sets.generated.gaussian
    )
    few = min(len(sets.labels), len(sets.reference.images))
    dim = len(sets.real.gaussian.mean)
    if few <= dim:
        scores.warnings.append(
            f"{few} images for {dim} feature dimensions: the Fréchet distance is biased upwards "
            "and comparable only at equal counts. Use more images, or the kernel distance, whose "
            "estimate is unbiased."
        )


def _kernel(sets: Sets, scores: Scores) -> None:
    found = kernel_distance(
        torch.from_numpy(np.array(sets.reference_features)),
        torch.from_numpy(sets.generated_features),
        subsets=sets.config.kernel_subsets,
        subset_size=sets.config.kernel_subset_size,
    )
    scores.values["kernel_distance_mean"] = found.mean
    scores.counts["kernel_subset"] = found.subset_size
    if not np.isnan(found.std):
        scores.values["kernel_distance_std"] = found.std
        return
    few = min(len(sets.labels), len(sets.reference.images))
    scores.warnings.append(
        f"The kernel distance has no deviation: subsets of {found.subset_size} are more than half "
        f"of {few} images, so that they hardly differ. Use at least {2 * found.subset_size} images "
        "a set, or a smaller kernel_subset_size."
    )


def _classifier_score(sets: Sets, scores: Scores) -> None:
    """The Inception Score, so called only of Inception's predictions."""
    logits = sets.generated.logits
    assert logits is not None
    extractor = sets.real_features.passing.extractor.name
    is_inception = extractor == "inception"
    name = "inception_score" if is_inception else "classifier_score"
    splits = sets.config.inception_splits
    each = len(logits) // splits
    scores.counts |= {f"{name}_splits": splits, f"{name}_images_per_split": each}
    title = "Inception Score" if is_inception else "classifier score"
    if each < FEWEST_PER_SPLIT:
        scores.warnings.append(
            f"No {title}: {splits} splits of {len(logits)} images have fewer than "
            f"{FEWEST_PER_SPLIT} images each. Use at least {FEWEST_PER_SPLIT * splits} images, or "
            "fewer inception_splits."
        )
        return
    found = inception_score(torch.from_numpy(logits), splits=splits)
    scores.values |= {f"{name}_mean": found.mean, f"{name}_std": found.std}
    if each < logits.shape[1]:
        scores.warnings.append(
            f"{each} images per split for {logits.shape[1]} predicted classes: the {title} is "
            "biased downwards and comparable only at equal counts."
        )
    if not is_inception:
        scores.warnings.append(
            f"The classifier score is computed as the Inception Score is, from {extractor}'s "
            "predictions: it cannot be compared with Inception Scores."
        )


def _precision_recall(sets: Sets, scores: Scores) -> None:
    config = sets.config
    found = precision_recall_density_coverage(
        torch.from_numpy(np.array(sets.reference_features)),
        torch.from_numpy(sets.generated_features),
        config.density_neighbours,
        manifold_k=config.manifold_neighbours,
    )
    scores.values |= found._asdict()


def _intra_class(sets: Sets, scores: Scores) -> None:
    found = intra_class_distance(
        sets.reference_features,
        sets.reference.labels,
        sets.generated_features,
        sets.labels,
        sets.reference.class_names,
    )
    real, generated = (found.images[:, side] for side in (0, 1))
    few = int(found.images[real > 0].min())
    scores.counts["intra_class_fewest"] = few
    scores.details["intra_class_distance"] = {
        "worst": dict(found.worst()),
        "per_class": _per_class(found.class_names, found.distances),
        "kernel_per_class": _per_class(found.class_names, found.kernel_distances),
        "images": {
            name: {"real": int(count), "generated": int(other)}
            for name, count, other in zip(found.class_names, real, generated, strict=True)
        },
    }
    if found.missing:
        scores.warnings.append(
            f"No intra-class distance: there are fewer than 2 images on a side of "
            f"{shortened(found.missing)}. Distances of the other classes are in the record."
        )
        return
    scores.values |= {
        "intra_class_distance_mean": found.mean,
        "intra_class_distance_worst": found.worst()[0][1],
        "intra_class_kernel_distance_mean": found.kernel_mean,
    }
    dim = sets.generated_features.shape[1]
    if few <= dim:
        scores.warnings.append(
            f"As few as {few} images of a class for {dim} feature dimensions: the intra-class "
            "Fréchet distance is biased upwards, and of one distribution far from 0. Go by "
            "intra_class_kernel_distance_mean, whose estimate is unbiased."
        )


def _per_class(names: tuple[str, ...], values: NDArray[np.float64]) -> dict[str, float | None]:
    pairs = zip(names, values.tolist(), strict=True)
    return {name: None if np.isnan(value) else value for name, value in pairs}


def _class_fidelity(sets: Sets, scores: Scores) -> None:
    """Tests the probe on the reference, or on a fifth of it where it is fitted to the rest."""
    limit, source, reference = sets.config.probe_images, sets.training_set, sets.reference
    if tuple(source.class_names) != tuple(reference.class_names):
        raise UserError("the probe's training images and the reference differ in their classes")
    held = np.arange(len(reference.images))
    if sets.train_is_reference:
        held = stratified(reference.labels, max(1, len(reference.images) // 5), 0)
        fitted = np.setdiff1d(np.arange(len(reference.images)), held)
        if limit is not None:
            fitted = fitted[stratified(reference.labels[fitted], limit, 0)]
        rows, key = np.array(sets.reference_features[fitted]), sets.real.key
    else:
        fitted = stratified(source.labels, len(source.images) if limit is None else limit, 0)
        part = None if len(fitted) == len(source.images) else fitted
        train = sets.real_features(source, features=True, indices=part)
        assert train.features is not None
        rows, key = train.features, train.key
    probe = sets.real_features.probe(key, rows, source.labels[fitted], len(source.class_names))
    found = fidelity_of_features(
        probe,
        sets.generated_features,
        sets.labels,
        held_out=(sets.reference_features[held], reference.labels[held]),
        class_names=reference.class_names,
        conditional=None if sets.made_by is None else sets.made_by.conditional,
    )
    scores.values |= {
        "class_accuracy": found.accuracy,
        "real_class_accuracy": found.real_accuracy,
        "relabelled_class_accuracy": found.relabelled_accuracy,
    }
    scores.counts |= {"probe_fitted": len(fitted), "probe_held_out": len(held)}
    scores.details["class_fidelity"] = found.to_dict()
    distinct = _distinct(sets, scores)
    scores.details["distinct_images"] = distinct.to_dict()
    _say([*collapse(distinct), *label_faults(found)], sets, scores)


def _say(findings: list[Finding], sets: Sets, scores: Scores) -> None:
    """What was found wrong, and then what to do about it."""
    scores.warnings += [finding.text for finding in findings]
    scores.warnings += advice({finding.kind for finding in findings}, sets.made_by)


def _distinct_images(sets: Sets, scores: Scores) -> None:
    distinct = _distinct(sets, scores)
    scores.values |= {
        "distinct_share": distinct.overall.distinct / distinct.overall.images,
        "real_distinct_share": distinct.overall.real / distinct.overall.images,
    }
    scores.details["distinct_images"] = distinct.to_dict()
    if "class_fidelity" not in sets.config.metrics:  # which says it
        _say(collapse(distinct), sets, scores)


def _distinct(sets: Sets, scores: Scores) -> DistinctImages:
    """Counted once, for the metrics that ask."""
    if scores.distinct is None:
        conditional = sets.made_by is None or sets.made_by.conditional
        names = sets.reference.class_names
        scores.distinct = count_distinct(
            sets.generated_features,
            sets.labels,
            sets.reference_features,
            sets.reference.labels,
            names,
            by_class=conditional and len(names) > 1,
        )
    return scores.distinct


def _memorisation(sets: Sets, scores: Scores) -> None:
    source = sets.training_set
    train = sets.real if sets.train_is_reference else sets.real_features(source, features=True)
    assert train.features is not None
    assert sets.generated.images is not None
    pictures = (sets.generated.images, source.images.transpose(0, 3, 1, 2))
    found = find_memorised(sets.generated_features, train.features, pictures=pictures)
    scores.memorisation = found
    scores.values |= {
        "memorisation_ratio": found.ratio,
        "copied_share": found.copied_share,
        "real_copied_share": found.real_copied_share,
    }
    message = found.message()
    if message is not None:
        scores.warnings.append(message)
    scores.counts["memorisation_training"] = len(source.images)
    scores.details["memorisation"] = [
        {
            "generated": int(index),
            "training": int(found.nearest[index]),
            "distance": float(found.distances[index]),
        }
        for index in found.closest(CLOSEST_PAIRS)
    ]


def _classification(sets: Sets, scores: Scores) -> None:
    assert sets.generated.images is not None
    config, classes = sets.config.classifier, len(sets.reference.class_names)
    device = sets.real_features.passing.extractor.device

    def fit(images: NDArray[np.uint8], labels: NDArray[np.int64], what: str) -> Any:
        report = sets.progress
        stage = None if report is None else lambda done, total: report(what, done, total)
        return train_classifier(
            images, labels, num_classes=classes, config=config, device=device, progress=stage
        )

    def channels_first(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))

    test = (channels_first(sets.reference.images), sets.reference.labels)
    source = sets.training_set
    on_generated = fit(sets.generated.images, sets.labels, "classifier on generated images")
    on_real = fit(channels_first(source.images), source.labels, "classifier on real images")
    forward = score_classifier(on_generated, *test)
    reverse = score_classifier(on_real, sets.generated.images, sets.labels)
    scores.values |= {
        "cas_generated_to_real": forward.accuracy,
        "cas_real_to_generated": reverse.accuracy,
    }
    if not sets.train_is_reference:
        scores.values["cas_real_to_real"] = score_classifier(on_real, *test).accuracy
    scores.counts["classifier_training"] = len(source.images)


METRICS: dict[MetricName, tuple[Callable[[Sets, Scores], None], Keep]] = {
    "frechet_distance": (_frechet, Keep()),
    "kernel_distance": (_kernel, Keep(features=True)),
    "inception_score": (_classifier_score, Keep(logits=True)),
    "classifier_score": (_classifier_score, Keep(logits=True)),
    "precision_recall": (_precision_recall, Keep(features=True)),
    "intra_class_distance": (_intra_class, Keep(features=True)),
    "class_fidelity": (_class_fidelity, Keep(features=True)),
    "distinct_images": (_distinct_images, Keep(features=True)),
    "memorisation": (_memorisation, Keep(features=True, images=True)),
    "classification_accuracy": (_classification, Keep(images=True)),
}
"""Each metric's function and what it needs of the generated images beside their moments."""

SHARES_OF_GENERATED = ("class_accuracy", "relabelled_class_accuracy", "cas_real_to_generated")
"""Shares of the generated images, to which classes without any would add nothing."""


def what_to_keep(config: EvaluationConfig) -> Keep:
    """What a pass must keep for all metrics of ``config``."""
    needs = [METRICS[name][1] for name in config.metrics]
    return Keep(
        features=any(need.features for need in needs),
        logits=any(need.logits for need in needs),
        images=any(need.images for need in needs),
    )


def compute_scores(sets: Sets) -> Scores:
    """All metrics of the config, in its order; UserError where a set cannot bear one."""
    scores = Scores()
    scores.counts |= {"generated": len(sets.labels), "reference": len(sets.reference.images)}
    for name in sets.config.metrics:
        METRICS[name][0](sets, scores)
    if by_class(sets.config):
        _name_absent_classes(sets, scores)
    return scores


def _name_absent_classes(sets: Sets, scores: Scores) -> None:
    """Names classes of one side only; where images were given, missing ones count as wrong."""
    real, names = class_counts(sets.reference), np.array(sets.reference.class_names)
    drawn = np.bincount(sets.labels, minlength=len(names))
    alone = names[(real == 0) & (drawn > 0)].tolist()
    if alone:
        scores.warnings.append(
            f"{shown_name(sets.reference)} holds no images of {shortened(alone)}, which the "
            "generator drew."
        )
    missing = (real > 0) & (drawn == 0)
    absent = names[missing].tolist()
    if not absent:
        return
    scores.details["absent_classes"] = absent
    if sets.given is None:
        scores.warnings.append(
            f"{len(sets.labels)} images were too few to draw all classes: {shortened(absent)} are "
            "not counted. Ask for more images."
        )
        return
    share = float(real[missing].sum() / real.sum())
    scored = [name for name in SHARES_OF_GENERATED if name in scores.values]
    for name in scored:
        scores.values[name] *= 1 - share
    fidelity = scores.details.get("class_fidelity")
    if fidelity is not None:
        fidelity["class_accuracy"] |= dict.fromkeys(absent, 0.0)
        fidelity["accuracy"] = scores.values["class_accuracy"]
        fidelity["relabelled_accuracy"] = scores.values["relabelled_class_accuracy"]
    counted = f" Absent classes count as 0 in {', '.join(scored)}." if scored else ""
    scores.warnings.append(
        f"{sets.given} holds no images of {shortened(absent)}, {len(absent)} of the "
        f"{np.count_nonzero(real)} classes of {shown_name(sets.reference)}.{counted}"
    )
