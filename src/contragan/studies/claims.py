"""Whether the orderings that a study names hold among its own runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from contragan.studies.results import CellResult, Results, Spread
from contragan.studies.schema import Claim

Verdict = Literal["holds", "does not hold", "undecided", "not measured"]


@dataclass(frozen=True)
class Judged:
    """A claim, what was measured of its two cells, and whether they agree with it.

    ``row`` is the one that both cells stand in; empty where they do not share one.
    """

    claim: Claim
    row: str
    lower: Spread | None
    than: Spread | None
    verdict: Verdict


def judge(results: Results) -> list[Judged]:
    """Every claim about cells that the scale has.

    The intervals of mean ± one sample standard deviation decide: where they overlap, or a cell has
    a single run, the ordering is undecided. That is a rule of thumb for few seeds, not a test.
    """
    found = []
    for claim in results.record.study.claims:
        lower, than = results.of(claim.lower), results.of(claim.than)
        if lower is not None and than is not None:
            first = lower.spread(claim.score, claim.at)
            second = than.spread(claim.score, claim.at)
            verdict = decide(first, second)
            found.append(Judged(claim, _shared_row(lower, than), first, second, verdict))
    return found


def decide(lower: Spread | None, than: Spread | None) -> Verdict:
    """Whether ``lower`` lies below ``than``.

    >>> decide(Spread(1.0, 0.2, 3), Spread(2.0, 0.3, 3))
    'holds'
    >>> decide(Spread(1.0, 0.2, 3), Spread(1.4, 0.3, 3))
    'undecided'
    """
    if lower is None or than is None:
        return "not measured"
    if min(lower.n, than.n) < 2:
        return "undecided"
    if lower.bounds[1] < than.bounds[0]:
        return "holds"
    return "does not hold" if than.bounds[1] < lower.bounds[0] else "undecided"


def _shared_row(lower: CellResult, than: CellResult) -> str:
    return lower.cell.row if lower.cell.row == than.cell.row else ""
