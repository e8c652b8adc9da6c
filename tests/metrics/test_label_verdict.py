"""Verdicts on random confusion matrices of 2 to 1,000 classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contragan.metrics.bounds import ALARM_RATE, lower_bound, upper_bound
from contragan.metrics.label_verdict import LabelVerdict, Merged, judge_labels, missing_classes

CLASSES = st.one_of(st.integers(2, 12), st.integers(2, 1000))
SEEDS = st.integers(0, 2**32 - 1)
few = settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)

NOTHING = LabelVerdict({}, (), (), False)


def _probe(classes: int, rng: np.random.Generator, *, least: float) -> np.ndarray:
    """Shares (K, K) of a probe: recalls from ``least`` to 1, errors spread unevenly."""
    errors = rng.gamma(0.5, size=(classes, classes)) + 1e-12
    np.fill_diagonal(errors, 0)
    recall = rng.uniform(least, 1, classes)
    shares: np.ndarray = errors / errors.sum(1, keepdims=True) * (1 - recall)[:, None]
    np.fill_diagonal(shares, recall)
    return shares


def _drawn(shares: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.multinomial(counts, shares / shares.sum(1, keepdims=True)).astype(np.int64)


def _sizes(classes: int, rng: np.random.Generator, low: int, high: int) -> np.ndarray:
    return rng.integers(low, high, classes)


@few
@given(CLASSES, SEEDS, st.sampled_from([(0, 12), (10, 60), (50, 500)]), st.floats(0, 0.9))
def test_healthy_generators_have_no_faults(
    classes: int, seed: int, sizes: tuple[int, int], least: float
) -> None:
    rng = np.random.default_rng(seed)
    shares = _probe(classes, rng, least=least)
    generated = _drawn(shares, _sizes(classes, rng, *sizes), rng)
    real = _drawn(shares, _sizes(classes, rng, *sizes), rng)
    assert judge_labels(generated, real) == NOTHING
    # A generator that draws somewhat fewer images right is not worse than that.
    poorer = 0.8 * shares + 0.2 / classes
    assert judge_labels(_drawn(poorer, _sizes(classes, rng, *sizes), rng), real) == NOTHING


@few
@given(CLASSES, SEEDS, st.data())
def test_planted_faults_are_named_exactly(classes: int, seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    shares = _probe(classes, rng, least=0.8)
    free = [int(index) for index in rng.permutation(classes)]
    shown = np.eye(classes)

    def take(count: int) -> list[int]:
        return [free.pop() for _ in range(count)]

    permutation, merged, lost = {}, [], []
    if data.draw(st.booleans()) and len(free) >= 2:
        cycle = take(data.draw(st.integers(2, min(6, len(free)))))
        for source, target in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            permutation[source] = target
    for _ in range(data.draw(st.integers(0, 3))):
        if len(free) >= 2:
            group = take(data.draw(st.integers(2, min(5, len(free)))))
            merged.append(Merged(tuple(sorted(group)), group[0]))
    # The rest shows itself; lost classes show it alike.
    if data.draw(st.booleans()) and len(free) >= 8:
        lost = take(data.draw(st.integers(1, 2)))
    moved = permutation | {member: group.shown for group in merged for member in group.classes}
    for source, target in moved.items():
        shown[source] = np.eye(classes)[target]
    for source in lost:
        shown[source] = np.isin(np.arange(classes), free) / len(free)
    generated = _drawn(shown @ shares, _sizes(classes, rng, 150, 400), rng)
    real = _drawn(shares, _sizes(classes, rng, 100, 300), rng)
    found = judge_labels(generated, real)
    assert found.permutation == permutation
    assert found.merged == tuple(sorted(merged, key=lambda group: group.classes))
    assert found.lost == tuple(sorted(lost))


@few
@given(st.integers(2, 60), SEEDS)
def test_the_verdict_does_not_depend_on_names(classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shares = _probe(classes, rng, least=rng.uniform(0.1, 0.9))
    shown = rng.dirichlet(np.full(classes, 0.05), classes)  # anything at all
    generated = _drawn(shown @ shares, _sizes(classes, rng, 0, 200), rng)
    real = _drawn(shares, _sizes(classes, rng, 0, 200), rng)
    verdict = judge_labels(generated, real)
    order = rng.permutation(classes)
    place = np.argsort(order)
    renamed = judge_labels(generated[np.ix_(order, order)], real[np.ix_(order, order)])
    assert renamed.permutation == {
        int(place[source]): int(place[target]) for source, target in verdict.permutation.items()
    }
    assert {(frozenset(group.classes), group.shown) for group in renamed.merged} == {
        (frozenset(place[list(group.classes)].tolist()), int(place[group.shown]))
        for group in verdict.merged
    }
    assert set(renamed.lost) == set(place[list(verdict.lost)].tolist() if verdict.lost else [])
    assert renamed.confused == verdict.confused


@few
@given(st.integers(2, 60), SEEDS)
def test_permuted_classes_would_gain_by_relabelling(classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shares = _probe(classes, rng, least=0.5)
    shown = rng.dirichlet(np.full(classes, 0.05), classes)
    generated = _drawn(shown @ shares, _sizes(classes, rng, 0, 300), rng)
    verdict = judge_labels(generated, _drawn(shares, _sizes(classes, rng, 0, 300), rng))
    targets = list(verdict.permutation.values())
    assert len(set(targets)) == len(targets)
    for source, target in verdict.permutation.items():
        assert generated[source, target] > generated[source, source]
    named = {index for group in verdict.merged for index in group.classes}
    assert not set(verdict.lost) & (named | set(verdict.permutation))
    assert all(len(group.classes) > 1 for group in verdict.merged)


def test_false_alarms_stay_below_the_stated_rate() -> None:
    """Classes half of whose images are right lie on the bound itself: the hardest case."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        shares = np.full((10, 10), 0.02)
        np.fill_diagonal(shares, 0.82)
        real = _drawn(shares, np.full(10, 60), rng)
        at_bound = shares.copy()
        at_bound[0] = (shares[0] + shares[1]) / 2
        verdict = judge_labels(_drawn(at_bound, np.full(10, 100), rng), real)
        alarms += verdict != NOTHING
    assert alarms <= 400 * ALARM_RATE


@few
@given(CLASSES, SEEDS)
def test_missing_classes_of_an_unconditional_generator(classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shares = _probe(classes, rng, least=0.9)
    real = _drawn(shares, np.full(classes, 200), rng)
    labels = np.full(classes, 200)
    anything = np.full((classes, classes), 1 / classes)
    assert missing_classes(_drawn(anything @ shares, labels, rng), real) == ()
    kept = rng.permutation(classes)[: max(1, classes // 2)]
    some = np.isin(np.arange(classes), kept) / len(kept)
    found = missing_classes(_drawn(np.tile(some, (classes, 1)) @ shares, labels, rng), real)
    if classes < 3:
        assert found == tuple(index for index in range(classes) if index not in kept)
    assert not set(found) & set(kept.tolist())


def test_bounds_are_the_exact_binomial_ones() -> None:
    from scipy.stats import binom

    for counted, trials in [(3, 10), (0, 10), (10, 10), (40, 50)]:
        low, high = (float(bound(counted, trials, 0.01)) for bound in (lower_bound, upper_bound))
        if counted:
            assert binom.sf(counted - 1, trials, low) == pytest.approx(0.01)
        if counted < trials:
            assert binom.cdf(counted, trials, high) == pytest.approx(0.01)
    assert (float(lower_bound(0, 10, 0.01)), float(upper_bound(10, 10, 0.01))) == (0, 1)
    assert (float(lower_bound(0, 0, 0.01)), float(upper_bound(0, 0, 0.01))) == (0, 1)
    np.testing.assert_allclose(
        lower_bound([[3], [4]], [10, 20], 0.01)[1, 1], lower_bound(4, 20, 0.01)
    )
