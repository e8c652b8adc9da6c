"""Orderings: they hold, they do not, or the spreads leave it open."""

from pathlib import Path

import pytest
from generated_runs import SCORES, fill_all, record_study

from contragan.studies.claims import decide, judge
from contragan.studies.record import RecordedRun
from contragan.studies.results import Spread, read_results, spread

LOW, HIGH = Spread(1.0, 0.25, 3), Spread(2.0, 0.25, 3)


@pytest.mark.parametrize(
    ("lower", "than", "verdict"),
    [
        (LOW, HIGH, "holds"),
        (HIGH, LOW, "does not hold"),
        (LOW, Spread(1.5, 0.25, 3), "undecided"),  # the intervals touch
        (LOW, Spread(1.5, 0.125, 3), "holds"),
        (Spread(1.0, None, 1), HIGH, "undecided"),
        (LOW, Spread(9.0, None, 1), "undecided"),
        (None, HIGH, "not measured"),
        (LOW, None, "not measured"),
    ],
)
def test_verdicts(lower: Spread | None, than: Spread | None, verdict: str) -> None:
    assert decide(lower, than) == verdict


def test_the_deviation_is_that_of_a_sample() -> None:
    found = spread([1.0, 2.0, 3.0, 4.0])
    assert found is not None
    assert found.mean == pytest.approx(2.5)
    assert found.deviation == pytest.approx((5 / 3) ** 0.5)
    assert spread([3.0]) == Spread(3.0, None, 1)
    assert spread([]) is None


def by_method(run: RecordedRun) -> dict[str, float]:
    """Distances of table 1 in another order than the paper's, apart by more than their spread."""
    methods = ["2C (Eq. 8)", "Uncond. GAN", "NT-Xent", "Eq. 7", "P-NCA"]
    distance = 10.0 * (1 + methods.index(run.column)) + run.seed
    return {**SCORES, "frechet_distance": distance}


def test_a_studys_claims_are_judged_by_its_own_runs(tmp_path: Path) -> None:
    record = record_study(tmp_path / "study", "paper/table1")
    fill_all(tmp_path / "study", record, by_method)
    judged = judge(read_results(record, tmp_path / "study"))
    assert {each.row for each in judged} == {"CIFAR10"}  # tiny has no Tiny ImageNet in this study
    assert {each.claim.says: each.verdict for each in judged} == {
        "2C below no conditioning": "holds",
        "2C below P-NCA": "holds",
        "2C below NT-Xent": "holds",
        "Eq. 7 below P-NCA": "holds",
        "Eq. 7 below NT-Xent": "does not hold",
        "2C below Eq. 7": "holds",
    }
    first = judged[0]
    assert first.lower == Spread(11.0, 1.0, 3)
    assert first.than == Spread(21.0, 1.0, 3)


def test_a_claim_may_be_about_the_last_evaluation(tmp_path: Path) -> None:
    record = record_study(tmp_path / "study", "paper/figure3", seeds=3)
    fill_all(
        tmp_path / "study", record, lambda run: {**SCORES, "frechet_distance": 20.0 + run.seed}
    )
    best, last = judge(read_results(record, tmp_path / "study"))
    assert (best.lower, last.lower) == (Spread(21.0, 1.0, 3), Spread(26.0, 1.0, 3))
    assert best.verdict == "undecided"
