"""One pass over the images, all metrics, one record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from contragan.core.fonts import legible
from contragan.core.pair_pictures import ClosestPairs
from contragan.core.processes import Ranks
from contragan.evaluation.real_features import RealFeatures
from contragan.evaluation.record import EvaluationRecord, versions
from contragan.evaluation.reference import (
    LabelledImages,
    shown_name,
)
from contragan.evaluation.room import check_counts, check_room
from contragan.evaluation.scores import compute_scores
from contragan.evaluation.sets import measured, what_to_keep
from contragan.features.cache import StatisticsCache
from contragan.features.extractor import FeatureExtractor
from contragan.features.feature_pass import FeaturePass, Progress
from contragan.metrics import Sets, Training
from contragan.recipes.evaluation import EvaluationConfig


@dataclass(frozen=True)
class Job:
    """One evaluation of images that come batch by batch, drawn or given.

    ``given`` is the name of images that came as they are; None where a generator draws them.
    """

    reference: LabelledImages
    train: LabelledImages | None
    config: EvaluationConfig
    extractor: FeatureExtractor
    cache_dir: Path | None
    progress: Progress | None
    ranks: Ranks
    notes: tuple[str, ...]
    given: str | None = None
    made_by: Training | None = None

    def run(
        self,
        batch: Callable[[int, int], Tensor],
        labels: NDArray[np.int64],
        seed: int,
        context: Mapping[str, Any],
        closest_pairs: Callable[[ClosestPairs], None] | None,
    ) -> EvaluationRecord:
        started = time.perf_counter()
        self.check(len(labels))
        passing = FeaturePass(self.extractor, self.config.batch_size, self.ranks, self.progress)
        keep = what_to_keep(self.config)
        generated = passing(batch, len(labels), keep, "generated images")
        real = RealFeatures(passing, StatisticsCache(self.cache_dir))
        sets = measured(
            self.config, generated, labels, real, self.reference, self.train, self.made_by
        )
        scores = compute_scores(self.config, sets, self.reference, self.given)
        if closest_pairs is not None and "memorisation" in scores.details:
            closest_pairs(_closest_pairs(sets, scores.details["memorisation"]))
        return EvaluationRecord(
            values=scores.values,
            class_fidelity=scores.details.pop("class_fidelity", None),
            details=scores.details,
            protocol=stated_protocol(self.config, self.extractor, self.reference, self.train),
            counts=scores.counts,
            seed=seed,
            context=dict(context),
            versions=versions(),
            warnings=(*self.notes, *scores.warnings),
            wall_seconds=time.perf_counter() - started,
        )

    def check(self, generated: int) -> None:
        """UserError where images are too few, or memory does not suffice."""
        with self.ranks.fail_together():
            check_evaluation(
                self.config,
                self.extractor,
                (self.given or "the generated set", generated),
                self.reference,
                self.train,
            )


def check_evaluation(
    config: EvaluationConfig,
    extractor: FeatureExtractor,
    generated: tuple[str, int],
    reference: LabelledImages,
    train: LabelledImages | None,
) -> None:
    """Raises UserError where a set has too few images for ``config``, or memory does not suffice.

    ``generated`` is a name and a number.
    """
    check_counts(config, generated, reference, train)
    check_room(config, what_to_keep(config), extractor, generated[1], reference, train)


def stated_protocol(
    config: EvaluationConfig,
    extractor: FeatureExtractor,
    reference: LabelledImages,
    train: LabelledImages | None = None,
) -> dict[str, Any]:
    """The whole protocol as JSON values: settings, extractor, data."""
    sets = {"data": reference} | ({} if train is None else {"training_data": train})
    facts = {
        key: {"name": shown_name(data), "split": data.split, "fingerprint": data.fingerprint}
        for key, data in sets.items()
    }
    return {**config.model_dump(mode="json"), "extractor": extractor.protocol(), **facts}


def _closest_pairs(sets: Sets, pairs: list[dict[str, Any]]) -> ClosestPairs:
    generated = [pair["generated"] for pair in pairs]
    training = [pair["training"] for pair in pairs]
    names = sets.class_names

    def named(labels: NDArray[np.int64]) -> tuple[str, ...] | None:
        if len(names) < 2 or labels.max(initial=0) >= len(names):
            return None
        return tuple(legible(names[label], int(label)) for label in labels)

    sees_labels = sets.made_by is None or sets.made_by.conditional
    return ClosestPairs(
        sets.generated.images[generated],
        np.ascontiguousarray(sets.training.images[training]),
        np.array([pair["distance"] for pair in pairs], dtype=np.float32),
        named(sets.generated.labels[generated]) if sees_labels else None,
        named(sets.training.labels[training]),
    )
