"""Recorded quantities as charts: which lines share one, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from contragan.evaluation.record import metric_title, plain_title
from contragan.report.read import RunFacts, Series

MOST_POINTS = 600
"""Points of a line; of a longer one each stretch keeps its lowest and its highest."""

# (section, what belongs there, whether each quantity has a chart of its own); the first that fits.
_SECTIONS = (
    ("Distances", r"evaluation/.*distance", True),
    ("Class accuracy", r"evaluation/.*class_accuracy", False),
    ("Precision and recall", r"evaluation/(precision|recall|density|coverage)", False),
    ("Other scores", r"evaluation/", True),
    ("Authenticity accuracies", r".*authenticity", False),
    ("Singular values", r".*singular", False),
    ("Loss terms of D", r"d/", False),
    ("Loss terms of G", r"g/", False),
    ("Augmentation", r"augmentation/", True),
    ("Throughput", r".*per_second", True),
    ("Other records", r"", True),
)


@dataclass
class Chart:
    """One chart: ``lines`` have a name, steps and values."""

    section: str
    title: str
    unit: str
    lines: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "unit": self.unit, "lines": self.lines}


def charts(runs: Sequence[RunFacts]) -> list[Chart]:
    """The charts in the order of a page.

    One run has related quantities in one chart. Several have one chart per quantity, with one
    line per run; scores from different features never share one, and quantities of single layers
    are left out, which ``left_out`` of the run says.
    """
    found: dict[tuple[str, str, str], Chart] = {}
    for run in runs:
        if len(runs) > 1 and any(map(_is_part, run.series)):
            run.left_out.append("Curves of single layers are shown in a report of one run only.")
        for name, series in run.series.items():
            if len(runs) > 1 and _is_part(name):
                continue
            section, apart = _section(name)
            title = _title(run, name)
            group = title if apart or len(runs) > 1 else section
            if _is_part(name):
                group = _title(run, name.rpartition("/")[0])
                title = name.rpartition("/")[2]
            key = (section, group, series.unit)
            chart = found.setdefault(key, Chart(section, group, _unit(series.unit)))
            steps, values = thinned(series)
            line = run.label if len(runs) > 1 or group == title else title
            chart.lines.append({"name": line, "x": steps, "y": values})
    order = [section for section, _, _ in _SECTIONS]
    return sorted(found.values(), key=lambda chart: order.index(chart.section))


def thinned(series: Series, most: int = MOST_POINTS) -> tuple[list[int], list[float | None]]:
    """At most about ``most`` points: the extremes of each stretch, so that no spike is lost.

    >>> steps, _ = thinned(Series("1", list(range(10)), [0.0] * 4 + [9.0] + [0.0] * 5), most=4)
    >>> 4 in steps and len(steps) <= 6
    True
    """
    count = len(series.steps)
    kept = range(count)
    if count > most:
        chosen = {0, count - 1}
        stretches = most // 2
        for index in range(stretches):
            stretch = range(index * count // stretches, (index + 1) * count // stretches)
            known = [(value, i) for i in stretch if (value := series.values[i]) is not None]
            # A stretch of values that are not finite stays a gap.
            chosen |= {min(known)[1], max(known)[1]} if known else {stretch[0]}
        return _rounded(series, sorted(chosen))
    return _rounded(series, kept)


def _rounded(series: Series, kept: Sequence[int]) -> tuple[list[int], list[float | None]]:
    values = [series.values[i] for i in kept]
    short = [None if value is None else float(f"{value:.5g}") for value in values]
    return [series.steps[i] for i in kept], short


def _is_part(name: str) -> bool:
    """Whether it is one number of a record of many, such as one layer's singular value."""
    return name.count("/") > 1 and not name.startswith("evaluation/")


def _section(name: str) -> tuple[str, bool]:
    return next((title, apart) for title, pattern, apart in _SECTIONS if re.match(pattern, name))


def _title(run: RunFacts, name: str) -> str:
    if not name.startswith("evaluation/"):
        network, slash, term = name.partition("/")
        if slash and network in {"d", "g"}:
            return f"{network.upper()}: {term.replace('_', ' ')}"
        plain = name.removeprefix("stability/").replace("_", " ")
        return plain[:1].upper() + plain[1:]
    score = name.removeprefix("evaluation/")
    title = metric_title(run.evaluations[0][1], score) if run.evaluations else plain_title(score)
    return title[:1].upper() + title[1:]


def _unit(unit: str) -> str:
    return "" if unit in {"1", "distance"} else unit
