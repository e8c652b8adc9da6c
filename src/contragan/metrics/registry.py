"""The metrics that a recipe may name.

They are this package's own, those of installed packages, and any metric by its import path,
``my_module:MyMetric``, once it was loaded.
"""

from __future__ import annotations

from contragan.core.errors import UserError
from contragan.core.imports import import_class, is_import_path, where
from contragan.core.registry import installed
from contragan.metrics import OWN_METRICS
from contragan.metrics.base import NEEDS, Metric, Score


def registered(*metrics: type[Metric]) -> dict[str, Metric]:
    """The metrics by name, with those that other packages name in the group ``contragan.metrics``.

    Raises:
        UserError: something that is not a metric, a name or a score that is taken, or a need that
            nothing provides; names the class and its file.
    """
    known: dict[str, Metric] = {}
    for metric in (*metrics, *installed("metrics")):
        if not (isinstance(metric, type) and issubclass(metric, Metric)):
            raise UserError(f"the installed extension {metric!r} is not a contragan.metrics.Metric")
        _join(known, metric)
    return known


def _join(known: dict[str, Metric], metric: type[Metric]) -> None:
    """Add a metric to those that are known, unless something about it cannot be."""
    refusal = f"{where(metric)} cannot join the metrics"
    lacking = [part for part in ("name", "scores") if not hasattr(metric, part)]
    if lacking:
        raise UserError(f"{refusal}: it has no {lacking[0]}")
    if metric.name in known:
        raise UserError(
            f"{refusal}: its name '{metric.name}' is taken by "
            f"{where(type(known[metric.name]))}. Give it another"
        )
    unknown = sorted(metric.needs - NEEDS.keys())
    if unknown:
        raise UserError(
            f"{refusal}: it needs '{unknown[0]}', which nothing provides. There are "
            f"{', '.join(NEEDS)}"
        )
    taken = {score.name: other for other in known.values() for score in other.scores}
    for score in metric.scores:
        if score.name in taken:
            raise UserError(
                f"{refusal}: its score '{score.name}' is one of "
                f"{where(type(taken[score.name]))}. Give it another name"
            )
    known[metric.name] = metric()


def scores_of(metrics: dict[str, Metric]) -> dict[str, Score]:
    """Every score that the metrics may give, by its name."""
    return {score.name: score for metric in metrics.values() for score in metric.scores}


METRICS = registered(*OWN_METRICS)
"""Every metric that a recipe may name. Here and not in the package's ``__init__``, so that the file
of an installed metric can import this package before it is loaded itself."""

SCORES = scores_of(METRICS)
"""Every score that they may give."""


def checked_name(name: str) -> str:
    """The name of a metric, which is loaded if it is an import path.

    Raises:
        UserError: an import path that does not lead to a metric.
        ValueError: no metric has this name; lists them.
    """
    if name in METRICS:
        return name
    if not is_import_path(name):
        raise ValueError(
            f"there is no metric '{name}': choose from {', '.join(METRICS)}, or write an import "
            "path as my_module:MyMetric"
        )
    found = import_class(name, Metric)  # type: ignore[type-abstract]
    _join(METRICS, _called(name, found))
    SCORES.update(scores_of({name: METRICS[name]}))
    return name


def _called(name: str, metric: type[Metric]) -> type[Metric]:
    """The metric under the name that the recipe calls it."""
    facts = {"name": name, "__module__": metric.__module__, "__doc__": metric.__doc__}
    return type(metric.__name__, (metric,), facts)
