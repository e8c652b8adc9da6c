"""Which classes two image sets have, and what may be measured of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contragan.core.errors import UserError
from contragan.core.words import shortened
from contragan.data.classes import canonical_names
from contragan.evaluation.reference import ImageSet, LabelledImages, shown_name
from contragan.metrics.registry import METRICS
from contragan.recipes.evaluation import EvaluationConfig, chosen, has_protocols_metrics


def class_counts(images: LabelledImages) -> NDArray[np.int64]:
    """Number of images of each named class, (K,); UserError where a label has no name."""
    labels, known = np.asarray(images.labels), len(images.class_names)
    if len(labels) != len(images.images):
        raise UserError(
            f"{shown_name(images)} holds {len(images.images)} images and {len(labels)} labels"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < known:
        raise UserError(
            f"{shown_name(images)} holds labels from {labels.min()} to {labels.max()}, but names "
            f"{known} classes: labels are indices of classes, from 0"
        )
    return np.bincount(labels, minlength=known).astype(np.int64)


def by_class(config: EvaluationConfig) -> list[str]:
    """The metrics of ``config`` that compare class by class."""
    return [metric.name for metric in chosen(config) if "classes" in metric.needs]


def without_metrics_by_class(
    config: EvaluationConfig, reference: LabelledImages, generated: LabelledImages | None = None
) -> tuple[EvaluationConfig, tuple[str, ...]]:
    """The config without metrics that need classes, where sets have none, and what was left out.

    Another metric takes the place of one that names it (``without_classes``).
    UserError where nothing remains.
    """
    names = by_class(config)
    problem = _no_labels(names, reference, generated) if names else None
    if problem is None:
        return config, ()
    kept = [name for name in config.metrics if name not in names]
    if not kept:
        raise UserError(problem)
    others = [METRICS[name].without_classes for name in names]
    kept += [name for name in others if name is not None and name not in kept]
    protocol = config.protocol and f"{config.protocol}, without {', '.join(names)}"
    changed = {**config.model_dump(), "metrics": kept, "protocol": protocol}
    return EvaluationConfig.model_validate(changed), (f"Left out: {problem}.",)


def metrics_that_fit(
    config: EvaluationConfig, reference: LabelledImages, generated: LabelledImages | None = None
) -> tuple[EvaluationConfig, tuple[str, ...]]:
    """The config as it stands; of a named protocol, without metrics that need missing classes.

    UserError where the user chose metrics by class for sets without labels.
    """
    if has_protocols_metrics(config):
        return without_metrics_by_class(config, reference, generated)
    names = by_class(config)
    problem = _no_labels(names, reference, generated) if names else None
    if problem is not None:
        raise UserError(problem)
    return config, ()


def _no_labels(
    metrics: Sequence[str], reference: LabelledImages, generated: LabelledImages | None
) -> str | None:
    """A sentence on the set that has one class only, or none of the reference's; None if fine."""
    plain = None
    if np.count_nonzero(class_counts(reference)) < 2:
        plain = reference
    elif generated is not None and np.count_nonzero(class_counts(generated)) < 2:
        real = canonical_names(reference.class_names, shown_name(reference))
        own = canonical_names(generated.class_names, shown_name(generated))
        plain = None if set(own) & set(real) else generated
    if plain is None:
        return None
    need = "needs" if len(metrics) == 1 else "need"
    return (
        f"{', '.join(metrics)} {need} at least two classes, and the images of "
        f"{shown_name(plain)} all have one label; give folders named by class, or labels"
    )


def matched_labels(generated: LabelledImages, reference: LabelledImages) -> NDArray[np.int64]:
    """The generated images' labels as indices of the reference's classes, matched by name.

    Names match in whatever order and Unicode form. UserError, with their names, for generated
    classes that the reference has no images of.
    """
    counts, known = class_counts(generated), class_counts(reference)
    names = canonical_names(generated.class_names, shown_name(generated))
    place = {
        name: index
        for index, name in enumerate(canonical_names(reference.class_names, shown_name(reference)))
    }
    unknown = [
        name
        for name, count in zip(names, counts, strict=True)
        if count and (name not in place or not known[place[name]])
    ]
    if unknown:
        there = shortened([name for name, index in place.items() if known[index]])
        classes = "class" if len(unknown) == 1 else "classes"
        raise UserError(
            f"{shown_name(generated)} holds images of the {classes} {shortened(unknown)}, but "
            f"{shown_name(reference)} has only {there}: name the classes alike (folders, or "
            "class_names in an .npz file), or ask for metrics without classes, such as "
            "frechet_distance"
        )
    table = np.array([place.get(name, -1) for name in names], dtype=np.int64)
    return np.asarray(table[np.asarray(generated.labels)])


def in_classes_of(images: LabelledImages, reference: LabelledImages) -> LabelledImages:
    """The set with the reference's classes in the reference's order; UserError on unknown ones."""
    if tuple(images.class_names) == tuple(reference.class_names):
        return images
    labels, names = matched_labels(images, reference), tuple(reference.class_names)
    return ImageSet(images.images, labels, names, images.fingerprint, images.name, images.split)
