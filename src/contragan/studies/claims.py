"""Whether the orderings that a study names hold among its own runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from contragan.studies.results import CellResult, Results, Spread
from contragan.studies.schema import Claim

Verdict = Literal["holds", "does not hold", "undecided", "not measured"]

CONFIDENCE = 0.95
"""Of the interval of a difference that decides; each ordering is judged by itself."""


@dataclass(frozen=True)
class Difference:
    """A difference of two means, and the ends of its interval of :data:`CONFIDENCE`."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Judged:
    """A claim, what was measured of its two cells, and whether they agree with it.

    ``row`` is the one that both cells stand in; empty where they do not share one. ``difference``
    is that of ``lower`` minus ``than``; None where a cell has fewer than two runs.
    """

    claim: Claim
    row: str
    lower: Spread | None
    than: Spread | None
    difference: Difference | None
    verdict: Verdict


def judge(results: Results) -> list[Judged]:
    """Every claim about cells that the scale has.

    An ordering holds, or does not, where the interval of the difference lies on one side of 0;
    otherwise it is undecided, and so it is where a cell has a single run.
    """
    found = []
    for claim in results.record.study.claims:
        lower, than = results.of(claim.lower), results.of(claim.than)
        if lower is not None and than is not None:
            first = lower.spread(claim.score, claim.at)
            second = than.spread(claim.score, claim.at)
            between = None if first is None or second is None else difference(first, second)
            verdict = "not measured" if first is None or second is None else decide(between)
            row = _shared_row(lower, than)
            found.append(Judged(claim, row, first, second, between, verdict))
    return found


def difference(first: Spread, second: Spread) -> Difference | None:
    """The mean of ``first`` minus that of ``second``, with its interval by Welch's t-test.

    It assumes runs that are independent and scores that are about normal over seeds, and not that
    both cells spread alike. None where a cell has a single run, which shows no spread.

    Source: Welch 1947, "The generalization of 'Student's' problem".

    >>> found = difference(Spread(1.0, 0.2, 3), Spread(2.0, 0.3, 3))
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)
    (-1.0, -1.613, -0.387)
    """
    from scipy.special import stdtrit

    if first.deviation is None or second.deviation is None:
        return None
    mean = first.mean - second.mean
    one, other = first.deviation**2 / first.n, second.deviation**2 / second.n
    if not one + other:
        return Difference(mean, mean, mean)
    freedom = (one + other) ** 2 / (one**2 / (first.n - 1) + other**2 / (second.n - 1))
    reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(one + other)
    return Difference(mean, mean - reach, mean + reach)


def decide(between: Difference | None) -> Verdict:
    """Whether one cell lies below another, from the first's score minus the second's.

    >>> decide(Difference(-1.0, -1.6, -0.4)), decide(Difference(-1.0, -2.1, 0.1))
    ('holds', 'undecided')
    """
    if between is None:
        return "undecided"
    if between.high < 0:
        return "holds"
    return "does not hold" if between.low > 0 else "undecided"


def _shared_row(lower: CellResult, than: CellResult) -> str:
    return lower.cell.row if lower.cell.row == than.cell.row else ""
