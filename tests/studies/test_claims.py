"""Orderings: they hold, they do not, or the spreads leave it open."""

import doctest
import importlib
from pathlib import Path

import pytest
from generated_runs import SCORES, fill_all, record_study

from contragan.studies import words
from contragan.studies.claims import Difference, Judged, decide, difference, judge
from contragan.studies.record import RecordedRun
from contragan.studies.results import Spread, read_results, spread
from contragan.studies.schema import Claim


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([43.454, 50.956, 52.003], [55.774, 56.939, 54.34]),
        ([0.16, 0.203, 0.144], [0.289, 0.294, 0.297, 0.301]),
        ([1.0, 4.0], [1.0, 1.1]),
    ],
)
def test_the_interval_is_that_of_welchs_test(first: list[float], second: list[float]) -> None:
    from scipy.stats import ttest_ind

    one, other = spread(first), spread(second)
    assert one is not None
    assert other is not None
    found = difference(one, other)
    assert found is not None
    expected = ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert found.mean == pytest.approx(one.mean - other.mean)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("between", "verdict"),
    [
        (Difference(-1.0, -1.9, -0.1), "holds"),
        (Difference(1.0, 0.1, 1.9), "does not hold"),
        (Difference(-1.0, -2.1, 0.1), "undecided"),
        (Difference(0.0, 0.0, 0.0), "undecided"),
        (None, "undecided"),
    ],
)
def test_verdicts(between: Difference | None, verdict: str) -> None:
    assert decide(between) == verdict


def test_equal_values_have_no_interval_and_a_single_run_no_difference() -> None:
    low, high = Spread(1.0, 0.0, 3), Spread(2.0, 0.0, 2)
    assert difference(low, high) == Difference(-1.0, -1.0, -1.0)
    assert difference(low, Spread(9.0, None, 1)) is None
    assert difference(Spread(9.0, None, 1), low) is None


def test_a_verdict_shows_its_interval() -> None:
    claim = Claim(says="A below B", lower="a", than="b")
    low, high = Spread(10.0, 0.25, 3), Spread(12.0, 0.25, 3)
    judged = Judged(claim, "", low, high, difference(low, high), "holds")
    assert words.of_claim(judged) == (
        "holds: A below B (Fréchet distance 10.00 ± 0.25 (3) against 12.00 ± 0.25 (3), "
        "difference -2.00, 95% interval -2.57 to -1.43)"
    )
    alone = Judged(claim, "", low, Spread(12.0, None, 1), None, "undecided")
    assert words.of_claim(alone).endswith("12.00 (1), and a single run shows no spread)")
    missing = Judged(claim, "", low, None, None, "not measured")
    assert words.of_claim(missing).endswith("10.00 ± 0.25 (3) against -)")


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


@pytest.mark.parametrize(
    "name",
    ["studies.claims", "studies.plan", "studies.results", "recipes.catalog", "training.guard"],
)
def test_examples_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"contragan.{name}"))
    assert (found.attempted > 0, found.failed) == (True, 0)
