"""Inception score, precision and recall: against the public packages."""

from __future__ import annotations

import pytest
import torch
from prdc import compute_prdc
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from contragan.metrics.inception_score import inception_score
from contragan.metrics.precision_recall import (
    ManifoldScores,
    nearest_neighbours,
    precision_recall_density_coverage,
)


def _features(count: int, dim: int, seed: int, spread: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, dim, generator=generator) * spread


def test_inception_score_agrees_with_torch_fidelity() -> None:
    logits = _features(230, 12, 0, spread=6)
    theirs = isc_features_to_metric(logits, splits=7, shuffle=True, rng_seed=11)
    ours = inception_score(logits, splits=7, seed=11)
    assert ours.mean == pytest.approx(theirs["inception_score_mean"], rel=1e-9)
    assert ours.std == pytest.approx(theirs["inception_score_std"], rel=1e-6)


def test_inception_score_of_known_predictions() -> None:
    sure = torch.eye(5).repeat(8, 1) * 100
    assert inception_score(sure, splits=1).mean == pytest.approx(5.0)
    assert inception_score(torch.zeros(40, 5), splits=4) == pytest.approx((1.0, 0.0))


def test_precision_and_recall_agree_with_torch_fidelity() -> None:
    real, fake = _features(300, 16, 0), _features(250, 16, 1) + 0.12
    theirs = prc_features_to_metric(
        fake, real, prc_neighborhood=3, prc_batch_size=128, save_cpu_ram=False, verbose=False
    )
    ours = precision_recall_density_coverage(real, fake, 5, manifold_k=3)
    assert ours.precision == pytest.approx(theirs["precision"], abs=1e-6)
    assert ours.recall == pytest.approx(theirs["recall"], abs=1e-6)
    assert 0.05 < ours.recall < 0.95
    assert 0.05 < ours.precision < 0.95


@pytest.mark.parametrize("side", [1536, 64])
def test_scores_agree_with_prdc(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contragan.metrics.precision_recall.CPU_SIDE", side)
    real, fake = _features(300, 16, 0), _features(250, 16, 1, spread=0.8) + 0.05
    theirs = compute_prdc(real.numpy(), fake.numpy(), nearest_k=5)
    ours = precision_recall_density_coverage(real, fake, 5)
    for name in ManifoldScores._fields:
        assert getattr(ours, name) == pytest.approx(theirs[name], abs=1e-9)
    assert 0.05 < ours.coverage < 0.99


def test_scores_without_onednn_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = _features(300, 16, 0), _features(250, 16, 1, spread=0.8) + 0.05
    expected = precision_recall_density_coverage(real, fake, 5)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert precision_recall_density_coverage(real, fake, 5) == expected


def test_scores_survive_a_large_offset() -> None:
    real, fake = _features(200, 8, 0), _features(200, 8, 1, spread=0.9)
    near = precision_recall_density_coverage(real, fake, 3)
    far = precision_recall_density_coverage(real.double() + 1e4, fake.double() + 1e4, 3)
    assert far == pytest.approx(near, abs=0.02)


@pytest.mark.parametrize("side", [1536, 32])
def test_nearest_neighbours_against_a_plain_search(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contragan.metrics.precision_recall.CPU_SIDE", side)
    queries, points = _features(40, 6, 0), _features(90, 6, 1)
    distances, indices = nearest_neighbours(queries, points)
    expected = torch.cdist(queries, points)
    torch.testing.assert_close(distances, expected.min(1).values, rtol=1e-4, atol=1e-5)
    assert torch.equal(indices, expected.argmin(1))
    distances, indices = nearest_neighbours(points, points, itself=torch.arange(90))
    others = torch.cdist(points, points).fill_diagonal_(torch.inf)
    assert torch.equal(indices, others.argmin(1))
    assert nearest_neighbours(points, points)[0].max() == 0


def test_too_few_samples() -> None:
    with pytest.raises(ValueError, match="neighbour 5 of 5 real"):
        precision_recall_density_coverage(torch.zeros(5, 2), torch.zeros(9, 2), 5)
    with pytest.raises(ValueError, match="10 splits"):
        inception_score(torch.zeros(9, 3))
