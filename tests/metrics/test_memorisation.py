from __future__ import annotations

import numpy as np
import pytest

from contragan.metrics import find_memorised


def _samples(count: int, seed: int, spread: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(count, 8)) * spread).astype(np.float32)


def test_copies_stand_out_and_are_found() -> None:
    training = _samples(400, 0)
    generated = _samples(300, 1)
    generated[[5, 17]] = training[[123, 45]]
    generated[50] = training[9] + 1e-3
    found = find_memorised(generated, training)
    assert found.closest(2).tolist() == [5, 17]
    assert found.closest(3)[2] == 50
    assert found.nearest[[5, 17, 50]].tolist() == [123, 45, 9]
    assert found.distances[5] == 0
    assert found.copied_share < 0.05
    assert find_memorised(training[:100] + 1e-4, training).copied_share == 1.0


def test_ratio_is_one_for_fresh_samples_and_grows_for_poor_ones() -> None:
    training = _samples(400, 0)
    assert find_memorised(_samples(300, 1), training).ratio == pytest.approx(1.0, abs=0.1)
    assert find_memorised(_samples(300, 1, spread=3.0), training).ratio > 2
    assert find_memorised(training, training).ratio == 0


def test_needs_two_training_images() -> None:
    with pytest.raises(ValueError, match="1 training"):
        find_memorised(_samples(3, 0), _samples(1, 0))
