from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_fid.fid_score import calculate_frechet_distance

from contragan.core.gaussian import Moments
from contragan.metrics.frechet import frechet_distance, frechet_distance_from_moments

pytestmark = pytest.mark.filterwarnings(
    "ignore:The `disp` argument is deprecated:DeprecationWarning"
)  # pytorch-fid, the reference here, passes it to scipy.linalg.sqrtm


def _moments(features: torch.Tensor, batch: int) -> Moments:
    moments = Moments(features.shape[1])
    for part in features.split(batch):
        moments.update(part)
    return moments


def _samples(count: int, dim: int, seed: int, spread: float = 1.0) -> torch.Tensor:
    """Correlated, skewed samples with a mean, like pooled features."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(dim, dim, generator=generator, dtype=torch.float64) / dim**0.5
    scale = torch.logspace(0, -2, dim, dtype=torch.float64)
    noise = torch.randn(count, dim, generator=generator, dtype=torch.float64)
    value: torch.Tensor = (noise * scale) @ mix * spread + torch.rand(dim, generator=generator)
    return value


def _pytorch_fid(a: torch.Tensor, b: torch.Tensor) -> float:
    first, second = a.numpy(), b.numpy()
    return float(
        calculate_frechet_distance(
            first.mean(0), np.cov(first, rowvar=False), second.mean(0), np.cov(second, rowvar=False)
        )
    )


def test_agrees_with_pytorch_fid() -> None:
    a, b = _samples(900, 96, 0), _samples(700, 96, 1, spread=1.7)
    expected = _pytorch_fid(a, b)
    assert expected > 1
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    from_moments = frechet_distance_from_moments(
        _moments(a, 64).gaussian(), _moments(b, 64).gaussian()
    )
    assert from_moments == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("count_a", "count_b"), [(40, 30), (30, 500), (500, 30)])
def test_rank_deficient_covariances(count_a: int, count_b: int) -> None:
    # A generic pair of subspaces: the exact value is a nuclear norm, taken here by plain SVD.
    a, b = _samples(count_a, 64, 0), _samples(count_b, 64, 1, spread=2.0)
    factor_a = ((a - a.mean(0)) / (count_a - 1) ** 0.5).numpy()
    factor_b = ((b - b.mean(0)) / (count_b - 1) ** 0.5).numpy()
    root = np.linalg.svd(factor_a @ factor_b.T, compute_uv=False).sum()
    difference = (a.mean(0) - b.mean(0)).square().sum().item()
    expected = difference + (factor_a**2).sum() + (factor_b**2).sum() - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    from_moments = frechet_distance_from_moments(
        _moments(a, 16).gaussian(), _moments(b, 16).gaussian()
    )
    assert from_moments == pytest.approx(expected, rel=1e-7)
    # pytorch-fid adds 1e-6 to the diagonal, or returns what rounding left: close, not equal.
    assert from_moments == pytest.approx(_pytorch_fid(a, b), rel=1e-4)


def test_known_distance_of_gaussians() -> None:
    # Scaled whitened samples have exactly these moments: |m|^2 + sum (s_a - s_b)^2.
    raw = torch.randn(500, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    centred = raw - raw.mean(0)
    white = torch.linalg.solve_triangular(
        torch.linalg.cholesky(centred.t() @ centred / 499), centred.t(), upper=False
    ).t()
    scale_a, scale_b = torch.linspace(0.5, 2, 8).double(), torch.linspace(1, 0.25, 8).double()
    shift = torch.linspace(-1, 1, 8).double()
    expected = shift.square().sum().item() + (scale_a - scale_b).square().sum().item()
    distance = frechet_distance(white * scale_a, white * scale_b + shift)
    assert distance == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [400, 30])
def test_a_set_is_at_distance_zero_of_itself(count: int) -> None:
    a = _samples(count, 64, 0, spread=30.0)
    shuffled = a[torch.randperm(count, generator=torch.Generator().manual_seed(0))]
    assert frechet_distance(a, shuffled) < 1e-6
    gaussians = _moments(a, 7).gaussian(), _moments(shuffled, 50).gaussian()
    assert frechet_distance_from_moments(*gaussians) < 1e-6
    assert frechet_distance(a, a + 0.1) == pytest.approx(0.64, rel=1e-6)


def test_dead_features_do_not_count() -> None:
    a, b = _samples(300, 32, 0), _samples(300, 32, 1)
    expected = frechet_distance(a, b)
    padding = torch.zeros(300, 5, dtype=torch.float64)
    padded = torch.cat([a, padding], 1), torch.cat([b, padding], 1)
    assert frechet_distance(*padded) == pytest.approx(expected, rel=1e-9)
    constant = torch.full((50, 4), 3.0)
    assert frechet_distance(constant, constant + 2) == pytest.approx(16.0)


def test_moments_do_not_depend_on_batches_or_order() -> None:
    features = _samples(500, 24, 0) + 1e4  # a naive sum of squares would lose all digits here
    expected = np.cov(features.numpy(), rowvar=False)
    shuffled = features[torch.randperm(500, generator=torch.Generator().manual_seed(1))]
    for moments in (_moments(features, 500), _moments(features, 1), _moments(shuffled, 33)):
        gaussian = moments.gaussian()
        assert gaussian.count == 500
        np.testing.assert_allclose(gaussian.mean, features.mean(0).numpy(), rtol=1e-12)
        np.testing.assert_allclose(gaussian.covariance, expected, rtol=1e-6, atol=1e-9)


def test_merged_moments_equal_one_pass() -> None:
    features = _samples(300, 24, 0)
    whole, first = _moments(features, 64).gaussian(), _moments(features[:110], 32)
    first.merge(_moments(features[110:], 50))
    first.merge(Moments(24))
    merged = first.gaussian()
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(merged.covariance, whole.covariance, rtol=1e-9, atol=1e-12)


def test_bad_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(5, 4\)"):
        frechet_distance(torch.zeros(5, 4), torch.zeros(5, 3))
    with pytest.raises(ValueError, match="at least 2 rows"):
        frechet_distance(torch.zeros(1, 4), torch.zeros(5, 4))
    with pytest.raises(ValueError, match="at least 2 samples"):
        Moments(3).gaussian()
