from __future__ import annotations

import numpy as np
import pytest
import torch

from contragan.data import EpochSampler, LabelSampler
from contragan.data.sampler import BalancedSampler, coin_flips


def test_each_epoch_holds_each_image_once() -> None:
    sampler = EpochSampler(37, seed=3)
    epochs = [sampler.indices(37 * epoch, 37) for epoch in range(3)]
    for epoch in epochs:
        assert sorted(epoch.tolist()) == list(range(37))
    assert epochs[0].tolist() != epochs[1].tolist() != epochs[2].tolist()


def test_any_cut_gives_the_same_sequence() -> None:
    whole = EpochSampler(10, seed=1).indices(0, 60)
    sampler = EpochSampler(10, seed=1)
    parts = [sampler.indices(position, 7) for position in range(0, 56, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole[:56])
    # From anywhere, in a fresh sampler and backwards: as a resumed run starts.
    for position in (53, 20, 0, 41):
        np.testing.assert_array_equal(
            EpochSampler(10, seed=1).indices(position, 7), whole[position : position + 7]
        )
        np.testing.assert_array_equal(sampler.indices(position, 7), whole[position : position + 7])


def test_more_than_an_epoch_at_once_and_nothing() -> None:
    assert np.bincount(EpochSampler(4, seed=0).indices(8, 12)).tolist() == [3, 3, 3, 3]
    assert EpochSampler(4, seed=0).indices(2, 0).shape == (0,)


def test_the_seed_decides() -> None:
    first = EpochSampler(50, seed=0).indices(0, 50).tolist()
    assert first == EpochSampler(50, seed=0).indices(0, 50).tolist()
    assert first != EpochSampler(50, seed=1).indices(0, 50).tolist()


def test_coin_flips_are_fair_independent_and_of_the_position() -> None:
    flips = coin_flips(5, 0, 100_000)
    assert flips.mean() == pytest.approx(0.5, abs=0.01)
    assert (flips[1:] == flips[:-1]).mean() == pytest.approx(0.5, abs=0.01)
    assert (flips == coin_flips(6, 0, 100_000)).mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(coin_flips(5, 777, 50), flips[777:827])


def test_labels_follow_the_training_frequencies() -> None:
    sampler = LabelSampler([10, 0, 30, 60, 0], "training", torch.device("cpu"))
    labels = sampler.draw(20_000, torch.Generator().manual_seed(0))
    assert labels.dtype == torch.int64
    shares = torch.bincount(labels, minlength=5) / 20_000
    torch.testing.assert_close(shares, torch.tensor([0.1, 0, 0.3, 0.6, 0]), atol=0.015, rtol=0)
    assert shares[1] == shares[4] == 0
    again = sampler.draw(20_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(labels, again)


def test_uniform_labels() -> None:
    sampler = LabelSampler(np.array([1, 1000]), "uniform", torch.device("cpu"))
    labels = sampler.draw(10_000, torch.Generator().manual_seed(0))
    assert labels.float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_many_classes_stay_in_range() -> None:
    sampler = LabelSampler([1] * 999 + [3], "training", torch.device("cpu"))
    labels = sampler.draw(200_000, torch.Generator().manual_seed(1))
    assert labels.min() == 0
    assert labels.max() == 999


LABELS = np.array([0] * 20 + [2] * 3 + [1] * 7 + [5])  # there are no images of classes 3 and 4


def test_every_class_comes_once_per_round_and_every_image_in_its_turn() -> None:
    drawn = BalancedSampler(LABELS, seed=1).indices(0, 4 * 21)
    classes = LABELS[drawn].reshape(21, 4)
    assert all(sorted(row) == [0, 1, 2, 5] for row in classes.tolist())
    assert len({tuple(row) for row in classes.tolist()}) > 5
    times = np.bincount(drawn, minlength=len(LABELS))
    assert times[20:23].tolist() == [7, 7, 7]
    assert times[23:30].tolist() == [3] * 7
    assert times[30] == 21
    assert set(times[:20].tolist()) == {1, 2}
    assert drawn.tolist() != BalancedSampler(LABELS, seed=2).indices(0, 4 * 21).tolist()


def test_any_cut_of_the_balanced_sequence_is_the_same() -> None:
    whole = BalancedSampler(LABELS, seed=1).indices(0, 100)
    sampler = BalancedSampler(LABELS, seed=1)
    for position in (87, 0, 7, 14, 50, 3):
        np.testing.assert_array_equal(sampler.indices(position, 7), whole[position : position + 7])
        fresh = BalancedSampler(LABELS, seed=1)
        np.testing.assert_array_equal(fresh.indices(position, 7), whole[position : position + 7])
    assert sampler.indices(5, 0).shape == (0,)
