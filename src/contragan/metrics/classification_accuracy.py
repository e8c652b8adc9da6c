"""Classification accuracy score (CAS): a classifier trained on one set, tested on the other.

Source: Ravuri and Vinyals 2019. Theirs is a ResNet-50 on ImageNet; this one is a small ResNet with
the schedule of :class:`ClassifierConfig`, so scores compare only with scores of the same schedule.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contragan.metrics.base import Found, Metric, Score, Sets, Sizes
from contragan.metrics.classifier import SmallResNet, score_classifier, train_classifier


class ClassificationAccuracyMetric(Metric):
    """Accuracy of classifiers trained on generated images, and on real ones."""

    name = "classification_accuracy"
    needs = frozenset({"images", "classes"})
    scores = (
        Score("cas_generated_to_real", "cas generated to real", higher_is_better=True),
        Score(
            "cas_real_to_generated", "cas real to generated", higher_is_better=True, of_labels=True
        ),
        Score("cas_real_to_real", "cas real to real", higher_is_better=True),
    )

    def compute(self, sets: Sets) -> Found:
        def fit(images: NDArray[np.uint8], labels: NDArray[np.int64], what: str) -> SmallResNet:
            report = sets.progress
            stage = None if report is None else lambda done, total: report(what, done, total)
            return train_classifier(
                images,
                labels,
                num_classes=len(sets.class_names),
                config=sets.settings.classifier,
                device=sets.device,
                progress=stage,
            )

        generated, training = sets.generated, sets.training
        test = (np.ascontiguousarray(sets.reference.images), sets.reference.labels)
        on_generated = fit(generated.images, generated.labels, "classifier on generated images")
        real = np.ascontiguousarray(training.images)
        on_real = fit(real, training.labels, "classifier on real images")
        values = {
            "cas_generated_to_real": score_classifier(on_generated, *test).accuracy,
            "cas_real_to_generated": score_classifier(
                on_real, generated.images, generated.labels
            ).accuracy,
        }
        if not sets.training_is_reference:
            values["cas_real_to_real"] = score_classifier(on_real, *test).accuracy
        return Found(values, counts={"classifier_training": len(training)})

    def memory(self, sizes: Sizes) -> int:
        return (sizes.reference + sizes.training) * sizes.image_bytes
