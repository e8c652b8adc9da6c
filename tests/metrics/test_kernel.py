"""Kernel distance against torch-fidelity's, and what an unbiased estimate is."""

from __future__ import annotations

import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric

from contragan.metrics.kernel import kernel_distance, squared_mmd


def _features(count: int, dim: int, seed: int, spread: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, dim, generator=generator) * spread


def test_kernel_distance_agrees_with_torch_fidelity() -> None:
    a, b = _features(400, 32, 0), _features(300, 32, 1, spread=1.3)
    theirs = kid_features_to_metric(
        a, b, kid_subsets=10, kid_subset_size=100, rng_seed=7, verbose=False
    )
    ours = kernel_distance(a, b, subsets=10, subset_size=100, seed=7)
    assert ours.mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)
    assert ours.std == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-3)
    assert ours.mean > 0.01


def test_kernel_distance_is_unbiased_at_few_images() -> None:
    estimates = [
        kernel_distance(
            _features(20, 16, 2 * seed), _features(20, 16, 2 * seed + 1), subsets=1
        ).mean
        for seed in range(200)
    ]
    spread = torch.tensor(estimates).std().item()
    assert abs(sum(estimates) / 200) < 3 * spread / 200**0.5
    assert min(estimates) < 0 < max(estimates)
    assert kernel_distance(_features(20, 16, 0), _features(50, 16, 1)).subset_size == 20


def test_squared_mmd_against_a_sum_over_pairs() -> None:
    a, b = _features(4, 3, 0).double(), _features(5, 3, 1).double()

    def mean(left: torch.Tensor, right: torch.Tensor, same: bool) -> float:
        pairs = [
            (float(x @ y) / 3 + 1) ** 3
            for i, x in enumerate(left)
            for j, y in enumerate(right)
            if not (same and i == j)
        ]
        return sum(pairs) / len(pairs)

    expected = mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False)
    assert squared_mmd(a, b) == pytest.approx(expected, rel=1e-4)


def test_too_few_samples() -> None:
    with pytest.raises(ValueError, match="at least 2 images"):
        kernel_distance(torch.zeros(1, 3), torch.zeros(9, 3))
    with pytest.raises(ValueError, match=r"\(9, 4\)"):
        kernel_distance(torch.zeros(9, 3), torch.zeros(9, 4))
