"""The metrics that a recipe may name: this package's own, and those of installed packages."""

from __future__ import annotations

from contragan.core.errors import UserError
from contragan.core.registry import installed, where
from contragan.metrics import OWN_METRICS
from contragan.metrics.base import NEEDS, Metric, Score


def registered(*metrics: type[Metric]) -> dict[str, Metric]:
    """The metrics by name, with those that other packages name in the group ``contragan.metrics``.

    Raises:
        UserError: something that is not a metric, a name or a score that is taken, or a need that
            nothing provides; names the class and its file.
    """
    known: dict[str, Metric] = {}
    scores: dict[str, Metric] = {}
    for metric in (*metrics, *installed("metrics")):
        if not (isinstance(metric, type) and issubclass(metric, Metric)):
            raise UserError(f"the installed extension {metric!r} is not a contragan.metrics.Metric")
        lacking = [part for part in ("name", "scores") if not hasattr(metric, part)]
        if lacking:
            raise UserError(f"{where(metric)} cannot join the metrics: it has no {lacking[0]}")
        if metric.name in known:
            raise UserError(
                f"{where(metric)} cannot join the metrics: its name '{metric.name}' is taken by "
                f"{where(type(known[metric.name]))}. Give it another"
            )
        unknown = sorted(metric.needs - NEEDS.keys())
        if unknown:
            raise UserError(
                f"{where(metric)} cannot join the metrics: it needs '{unknown[0]}', which nothing "
                f"provides. There are {', '.join(NEEDS)}"
            )
        known[metric.name] = metric()
        for score in metric.scores:
            if score.name in scores:
                raise UserError(
                    f"{where(metric)} cannot join the metrics: its score '{score.name}' is one of "
                    f"{where(type(scores[score.name]))}. Give it another name"
                )
            scores[score.name] = known[metric.name]
    return known


def scores_of(metrics: dict[str, Metric]) -> dict[str, Score]:
    """Every score that the metrics may give, by its name."""
    return {score.name: score for metric in metrics.values() for score in metric.scores}


METRICS = registered(*OWN_METRICS)
"""Every metric that a recipe may name. Here and not in the package's ``__init__``, so that the file
of an installed metric can import this package before it is loaded itself."""

SCORES = scores_of(METRICS)
"""Every score that they may give."""
