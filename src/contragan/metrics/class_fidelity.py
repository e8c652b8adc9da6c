"""Do generated images show the class that was asked for?

A linear probe is fitted to features of real training images; it then classifies the generated
ones. A generator may draw every class well and give each the wrong label, which a Fréchet distance
cannot see. What is wrong with which class is decided in ``label_verdict``, said in
``label_faults``.
"""

from __future__ import annotations

from contragan.metrics.base import Found, Metric, Score, Sets, Sizes
from contragan.metrics.distinct import collapse, distinct_in
from contragan.metrics.label_agreement import fidelity_of_predictions
from contragan.metrics.label_faults import label_faults


class ClassFidelityMetric(Metric):
    """The share of generated images that a linear probe takes for their label."""

    name = "class_fidelity"
    needs = frozenset({"features", "classes", "probe"})
    without_classes = "distinct_images"
    scores = (
        Score(
            "class_accuracy",
            "class accuracy",
            higher_is_better=True,
            in_training=True,
            of_labels=True,
        ),
        Score("real_class_accuracy", "real class accuracy"),
        Score(
            "relabelled_class_accuracy",
            "relabelled class accuracy",
            higher_is_better=True,
            of_labels=True,
        ),
    )

    def compute(self, sets: Sets) -> Found:
        fitted, real = sets.probe, sets.reference
        held = fitted.held_out
        found = fidelity_of_predictions(
            fitted.probe.predict(sets.generated.features),
            sets.generated.labels,
            held_out=(fitted.probe.predict(real.features[held]), real.labels[held]),
            class_names=sets.class_names,
            conditional=None if sets.made_by is None else sets.made_by.conditional,
        )
        distinct = sets.once(distinct_in)
        return Found(
            {
                "class_accuracy": found.accuracy,
                "real_class_accuracy": found.real_accuracy,
                "relabelled_class_accuracy": found.relabelled_accuracy,
            },
            {"class_fidelity": found.to_dict(), "distinct_images": distinct.to_dict()},
            {"probe_fitted": fitted.fitted, "probe_held_out": len(held)},
            findings=(*collapse(distinct), *label_faults(found)),
        )

    def memory(self, sizes: Sizes) -> int:
        return 3 * 4 * sizes.fitted * sizes.classes  # the probe's predictions and labels
