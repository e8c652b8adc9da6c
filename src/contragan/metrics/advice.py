"""What to do about faults that an evaluation found; it depends on how the generator was trained.

Only what docs/results/ or docs/methods.md show to help is advised.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from contragan.metrics.findings import Kind

UNTIED = frozenset({"unconditional", "nt_xent", "pair", "triplet", "n_pair"})
"""Kinds of conditioning whose loss does not tie an image to its class: docs/results/digits.md."""

FEW_PASSES = 10
"""Passes over the training images before which a verdict says little; a `digits/` recipe makes
over 25 in 1,200 iterations."""


@dataclass(frozen=True)
class Training:
    """What an evaluation should know of a generator's training, to judge it and to advise.

    ``conditional``: whether the generator sees labels. ``conditioning``: the kind of head.
    ``eq8``: same-class samples in the numerator and nothing else that ties an image to its class.
    ``mirrors``: a consistency term between an image and its mirror image. ``passes``: how often D
    has seen each training image, where that is known. ``proxy_temperature`` is that of the second
    term of ``contragan-proxy``, if it is there.
    """

    conditional: bool
    conditioning: str
    eq8: bool
    mirrors: bool
    iteration: int
    total_iterations: int
    passes: float | None = None
    proxy_temperature: float | None = None


def advice(kinds: Collection[Kind], training: Training | None) -> list[str]:
    """Sentences on what to do; empty where nothing was found.

    They hold no numbers of the evaluation, so that a display can say each of them once in a run.
    """
    if not kinds:
        return []
    if training is None:
        return [_of_images(kinds)]
    return [_too_early(training) or _of_training(kinds, training)]


def _too_early(training: Training) -> str | None:
    """Why a training cannot be judged yet, if it cannot."""
    early = "early images vary little and ignore their labels in good runs too."
    if 2 * training.iteration < training.total_iterations:
        return f"Less than half of the training is done: {early} Judge at the end."
    if training.passes is not None and training.passes < FEW_PASSES:
        return (
            f"D has seen each training image fewer than {FEW_PASSES} times: {early} Train longer "
            "before you judge."
        )
    return None


def _of_training(kinds: Collection[Kind], training: Training) -> str:
    # A collapse comes first: what it leaves says little about the labels.
    if "collapsed" in kinds:
        return (
            "A collapsed generator seldom recovers: train again with lower learning rates "
            "(training.generator_optimizer.learning_rate and training.discriminator_optimizer."
            "learning_rate), or use a checkpoint from before it."
        )
    if "missing" in kinds:
        return "Train longer: classes that are seldom drawn come late."
    return _of_variety(training) if set(kinds) == {"narrow"} else _of_labels(training)


def _of_images(kinds: Collection[Kind]) -> str:
    if "collapsed" in kinds:
        return (
            "Look at the images: whatever made them draws only a few images or classes, or nothing "
            "that the reference set holds."
        )
    if set(kinds) == {"narrow"}:
        return (
            "Look at the images of these classes. Where they were drawn with truncation, which "
            "takes variety away, draw them without."
        )
    return (
        "Check first that both sets mean the same classes by the same labels, and that whatever "
        "made these images was given the labels."
    )


def _of_variety(training: Training) -> str:
    if training.proxy_temperature is not None and training.proxy_temperature < 1:
        return (
            "A second term at a low temperature rewards images that are easily classified, which "
            "vary little: train with conditioning.proxy_classification.temperature: 1.0, or "
            "without the term and with conditioning.positives_in_numerator: false (Eq. 7)."
        )
    if training.conditioning == "auxiliary_classifier":
        return (
            "An auxiliary classifier rewards images that are easily classified, which vary little: "
            "use conditioning.kind: projection or d2d_ce."
        )
    return (
        "Look at the samples of these classes, and compare other checkpoints: contragan evaluate "
        "RUN/checkpoints/step-... --metrics class_diversity."
    )


def _of_labels(training: Training) -> str:
    kind = training.conditioning
    if kind in UNTIED:
        return (
            f"conditioning.kind: {kind} does not tie an image to its class. Use "
            "conditioning.kind: projection, auxiliary_classifier or d2d_ce, or contrastive with "
            "conditioning.positives_in_numerator: false (Eq. 7)."
        )
    if training.eq8:
        return (
            "Eq. 8 does not tie a generated image to its class. Train with "
            "conditioning.positives_in_numerator: false (Eq. 7) and conditioning.temperature: 0.3, "
            "or add conditioning.proxy_classification, or use conditioning.kind: d2d_ce or "
            "projection. A trained model can only be relabelled."
        )
    if training.mirrors:
        return (
            "The consistency term asks that a mirrored image keep its class. Where it does not "
            "(digits, letters), leave the term out."
        )
    return (
        f"This loss ({kind}{', Eq. 7' if kind == 'contrastive' else ''}) does tie images to their "
        "classes: check the labels of the training images, then train longer."
    )
