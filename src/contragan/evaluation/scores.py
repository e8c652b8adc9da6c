"""Every metric's scores of the same sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contragan.core.errors import UserError
from contragan.core.imports import where
from contragan.core.words import shortened
from contragan.evaluation.labels import by_class, class_counts
from contragan.evaluation.reference import LabelledImages, shown_name
from contragan.metrics import Found, Metric, Sets
from contragan.metrics.advice import advice
from contragan.metrics.findings import Finding
from contragan.metrics.registry import SCORES
from contragan.recipes.evaluation import EvaluationConfig, chosen


@dataclass
class Scores:
    """What the metrics found: scores, details as JSON values, sentences, and counts."""

    values: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, metric: Metric, found: Found) -> None:
        """Take in what ``metric`` found; UserError for a score that it does not list."""
        unlisted = found.values.keys() - {score.name for score in metric.scores}
        if unlisted:
            raise UserError(
                f"{where(type(metric))} gave the score '{min(unlisted)}', which is not in its "
                "scores: add it there"
            )
        self.values |= found.values
        self.details |= found.details
        self.counts |= found.counts
        self.warnings += found.warnings


def compute_scores(
    config: EvaluationConfig, sets: Sets, reference: LabelledImages, given: str | None
) -> Scores:
    """All metrics of the config, in its order, and then what is wrong and what to do about it.

    ``given`` is the name of generated images that came as they are; None where a generator drew
    their labels. UserError where a metric cannot be computed of a set.
    """
    scores = Scores(counts={"generated": len(sets.generated), "reference": len(sets.reference)})
    faults: dict[Finding, None] = {}
    for metric in chosen(config):
        found = metric.compute(sets)
        scores.add(metric, found)
        faults |= dict.fromkeys(found.findings)
    scores.warnings += [fault.text for fault in faults]
    scores.warnings += advice({fault.kind for fault in faults}, sets.made_by)
    if by_class(config):
        counts = class_counts(reference).tolist()
        scores.details["real_images_per_class"] = dict(
            zip(reference.class_names, counts, strict=True)
        )
        _name_absent_classes(scores, sets.generated.labels, reference, given)
    return scores


def _name_absent_classes(
    scores: Scores, labels: NDArray[np.int64], reference: LabelledImages, given: str | None
) -> None:
    """Names classes of one side only; where images were given, missing ones count as wrong."""
    real, names = class_counts(reference), np.array(reference.class_names)
    drawn = np.bincount(labels, minlength=len(names))
    alone = names[(real == 0) & (drawn > 0)].tolist()
    if alone:
        scores.warnings.append(
            f"{shown_name(reference)} holds no images of {shortened(alone)}, which the "
            "generator drew."
        )
    missing = (real > 0) & (drawn == 0)
    absent = names[missing].tolist()
    if not absent:
        return
    scores.details["absent_classes"] = absent
    if given is None:
        scores.warnings.append(
            f"{len(labels)} images were too few to draw all classes: {shortened(absent)} are "
            "not counted. Ask for more images."
        )
        return
    share = float(real[missing].sum() / real.sum())
    scored = [name for name in scores.values if name in SCORES and SCORES[name].of_labels]
    for name in scored:
        scores.values[name] *= 1 - share
    fidelity = scores.details.get("class_fidelity")
    if fidelity is not None:
        fidelity["class_accuracy"] |= dict.fromkeys(absent, 0.0)
        fidelity["accuracy"] = scores.values["class_accuracy"]
        fidelity["relabelled_accuracy"] = scores.values["relabelled_class_accuracy"]
    counted = f" Absent classes count as 0 in {', '.join(scored)}." if scored else ""
    scores.warnings.append(
        f"{given} holds no images of {shortened(absent)}, {len(absent)} of the "
        f"{np.count_nonzero(real)} classes of {shown_name(reference)}.{counted}"
    )
