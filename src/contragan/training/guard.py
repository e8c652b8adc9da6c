"""Whether a training has collapsed: rules on what its log holds, so that logs alone decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from contragan.core.types import ONE_LEVEL
from contragan.training.stability import PREFIX

DISTANCE = "evaluation/frechet_distance"

IN_A_ROW = 2
"""Measurements, or evaluations, one after the other that must show a collapse."""

EQUAL_LOGITS, ZERO = 1e-4, 1e-6
"""Logits are equal where they differ by at most the first as a share of the largest mean, or by at
most the second where the loss has a boundary; a Wasserstein critic may have any scale."""

SATURATED = 0.99
"""A discriminator is saturated where at least this share of its hinge terms is."""

SATURATED_IN_A_ROW = 3
"""Measurements one after the other in which D is saturated."""

SEPARATED, NO_GRADIENT = 0.25, 0.01
"""D is useless where the means of its logits of real and of generated images are apart by less than
the first many of their standard deviations (the best boundary between them would be right on 55% of
images), and the generator's gradient is smaller than the second. Near a good equilibrium the first
alone may hold, and with batch norm, whose running statistics follow slowly, early in a good run."""

USELESS_IN_A_ROW = 3
"""Measurements one after the other in which D is useless."""

WORSE, WORSE_OVERFITTED = 2.0, 1.5
"""A distance has collapsed where it is more than this many times the best so far; less is enough
where the discriminator has overfitted."""

OVERFITTED = 0.5
"""D has overfitted where its authenticity accuracies on training and held-out images differ by
more. Not a collapse: the best iteration often comes later (Figure 3 of the paper)."""


Kind = Literal[
    "dead discriminator",
    "useless discriminator",
    "saturated discriminator",
    "identical images",
    "distance",
]


@dataclass(frozen=True)
class Finding:
    """A collapse: its kind, the iteration that first showed it, and a clause for people."""

    kind: Kind
    iteration: int
    says: str


@dataclass
class History:
    """What a run's log says of its stability, in order.

    ``signals`` are the measurements by iteration, each by name, and ``distances`` the Fréchet
    distances of its evaluations.
    """

    signals: dict[int, dict[str, float]] = field(default_factory=dict)
    distances: dict[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]]) -> History:
        history = cls()
        for record in records:
            history.add(record)
        return history

    def add(self, record: Mapping[str, Any]) -> None:
        """Take in a record of ``metrics.jsonl``; what says nothing of stability is passed over."""
        name, step, value = record["name"], record["step"], record.get("value")
        if not isinstance(value, int | float):
            return
        if name == DISTANCE:
            self.distances[step] = value
        elif name.startswith(PREFIX):
            self.signals.setdefault(step, {})[name.removeprefix(PREFIX)] = value

    def before(self, iteration: int) -> History:
        """What the log said up to and with an iteration."""
        return History(
            {step: value for step, value in self.signals.items() if step <= iteration},
            {step: value for step, value in self.distances.items() if step <= iteration},
        )


def overfitted_at(history: History) -> int | None:
    """The first iteration at which D's accuracy on training images is :data:`OVERFITTED` above
    that on held-out ones; None where it never is."""
    for step, signals in history.signals.items():
        if "authenticity_train" in signals and (
            signals["authenticity_train"] - signals["authenticity_held_out"] > OVERFITTED
        ):
            return step
    return None


def collapses(history: History) -> list[Finding]:
    """The collapses that the end of a history shows, one for each kind.

    >>> history = History(distances={100: 20.0, 200: 10.0, 300: 21.0, 400: 25.0})
    >>> [found.says for found in collapses(history)]
    ['the distance is 25, and 10 at its best (iteration 200)']
    """
    dead = _of_signals(history, "dead discriminator", IN_A_ROW, _is_dead)
    found = [
        dead or _of_signals(history, "useless discriminator", USELESS_IN_A_ROW, _is_useless),
        _of_signals(history, "saturated discriminator", SATURATED_IN_A_ROW, _is_saturated),
        _of_signals(history, "identical images", IN_A_ROW, _is_one_image),
        _of_distance(history),
    ]
    return [finding for finding in found if finding is not None]


def first_collapse(history: History) -> Finding | None:
    """The first collapse that a guard would have found in a whole history."""
    for step in sorted({*history.signals, *history.distances}):
        found = collapses(history.before(step))
        if found:
            return found[0]
    return None


Signals = Mapping[str, float]
Rule = Callable[[Signals], str | None]
"""A clause for people where a measurement shows a collapse."""


def _of_signals(history: History, kind: Kind, count: int, rule: Rule) -> Finding | None:
    last = list(history.signals)[-count:]
    says = [rule(history.signals[step]) for step in last]
    if len(says) < count or says[-1] is None or None in says:
        return None
    return Finding(kind, last[0], says[-1])


def _is_dead(signals: Signals) -> str | None:
    real, fake = signals.get("logit_mean_train"), signals.get("logit_mean_generated")
    if real is None or fake is None:
        return None
    spreads = (signals["logit_std_train"], signals["logit_std_generated"], abs(real - fake))
    floor = ZERO if "authenticity_train" in signals else 0.0
    if not max(spreads) <= max(floor, EQUAL_LOGITS * max(abs(real), abs(fake))):
        return None
    return f"the discriminator gives every image the same logit ({real:.3g})"


def separation(signals: Signals) -> float | None:
    """By how many of their standard deviations D's logits of training images lie above those of
    generated ones; None where they were not measured, or do not vary.

    >>> made = {"logit_mean_train": 1.0, "logit_std_train": 0.5}
    >>> separation(made | {"logit_mean_generated": 0.0, "logit_std_generated": 0.5})
    2.0
    """
    names = ("logit_mean_train", "logit_mean_generated", "logit_std_train", "logit_std_generated")
    if not all(name in signals for name in names):
        return None
    real, fake, *deviations = (signals[name] for name in names)
    spread = math.hypot(*deviations) / math.sqrt(2)
    return (real - fake) / spread if spread else None


def _is_useless(signals: Signals) -> str | None:
    apart, gradient = separation(signals), signals.get("gradient_norm_g")
    if apart is None or gradient is None:
        return None
    if not (abs(apart) < SEPARATED and gradient < NO_GRADIENT):
        return None
    return (
        "the discriminator tells real images from generated ones no better than chance (the means "
        f"of its logits are {abs(apart):.2f} standard deviations apart), and the generator gets "
        f"no gradient (norm {gradient:.2g})"
    )


def _is_saturated(signals: Signals) -> str | None:
    share = signals.get("saturated", 0.0)
    if not share >= SATURATED:
        return None
    return (
        f"{share:.1%} of the hinge terms are saturated: the discriminator hardly learns from them"
    )


def _is_one_image(signals: Signals) -> str | None:
    if not signals.get("image_difference", ONE_LEVEL) < ONE_LEVEL:
        return None
    return "the generator draws the same image for all latents and classes"


def _of_distance(history: History) -> Finding | None:
    steps = list(history.distances)
    if len(steps) <= IN_A_ROW:
        return None
    best = min(steps[:-IN_A_ROW], key=history.distances.__getitem__)
    value, last = history.distances[best], steps[-IN_A_ROW:]
    overfitted = overfitted_at(history)
    times = WORSE if overfitted is None else WORSE_OVERFITTED
    if not all(history.distances[step] > times * value for step in last):
        return None
    now = history.distances[last[-1]]
    says = f"the distance is {now:.4g}, and {value:.4g} at its best (iteration {best})"
    if overfitted is not None:
        says += f"; the discriminator has overfitted since iteration {overfitted}"
    return Finding("distance", last[0], says)
