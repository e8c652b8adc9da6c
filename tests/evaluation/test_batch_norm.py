from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from contragan.models.batch_norm import evaluation_mode
from contragan.models.layers.factory import Layers


class _Network(nn.Module):
    """A spectrally normalised layer, two batch norms and dropout."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        layers = Layers(spectral_norm=True)
        self.body = nn.Sequential(
            layers.conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            layers.conv2d(4, 5, 3, padding=1),
            nn.BatchNorm2d(5, momentum=0.01),
            nn.Dropout(),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.body(images)
        return result


def _state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _batch(seed: int, count: int = 16) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 + 1


@pytest.fixture
def network() -> _Network:
    network = _Network().train()
    with torch.no_grad():
        network(_batch(0))
    network.body[2].eval()
    return network


@pytest.mark.parametrize("mode", ["running", "batch", "standing"])
@pytest.mark.parametrize("fails", [False, True])
def test_network_is_left_as_it_was(
    network: _Network, mode: Literal["running", "batch", "standing"], fails: bool
) -> None:
    before = _state(network)
    flags = [module.training for module in network.modules()]
    momenta = [network.body[1].momentum, network.body[4].momentum]
    calls = iter(range(1, 100))

    def use() -> None:
        with (
            torch.inference_mode(),
            evaluation_mode(network, mode, forward=lambda: network(_batch(next(calls))), batches=3),
        ):
            assert not network.body[5].training
            network(torch.full((2, 3, 8, 8), torch.nan))
            if fails:
                raise RuntimeError("stop")

    if fails:
        with pytest.raises(RuntimeError, match="stop"):
            use()
    else:
        use()
    after = _state(network)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert flags == [module.training for module in network.modules()]
    assert momenta == [network.body[1].momentum, network.body[4].momentum]


def test_running_uses_the_moving_averages(network: _Network) -> None:
    reference = _Network()
    reference.load_state_dict(network.state_dict())
    reference.eval()
    with torch.no_grad(), evaluation_mode(network, "running"):
        torch.testing.assert_close(network(_batch(3)), reference(_batch(3)))


def test_batch_uses_each_batchs_statistics(network: _Network) -> None:
    with torch.no_grad(), evaluation_mode(network, "batch"):
        found = network(_batch(3))
    torch.testing.assert_close(found.mean((0, 2, 3)), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.var((0, 2, 3)), torch.ones(5), atol=5e-3, rtol=0)
    with torch.no_grad(), evaluation_mode(network, "running"):
        assert not torch.allclose(network(_batch(3)), found, atol=0.05)


def test_standing_statistics_are_the_mean_over_batches(network: _Network) -> None:
    weight = network.body[0]
    seeds = iter(range(10, 100))
    with (
        torch.no_grad(),
        evaluation_mode(
            network, "standing", forward=lambda: network(_batch(next(seeds))), batches=4
        ),
    ):
        first = torch.stack([weight(_batch(seed)).mean((0, 2, 3)) for seed in range(10, 14)])
        spread = torch.stack([weight(_batch(seed)).var((0, 2, 3)) for seed in range(10, 14)])
        norm = network.body[1]
        assert norm.running_mean is not None
        assert norm.running_var is not None
        torch.testing.assert_close(norm.running_mean, first.mean(0), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(norm.running_var, spread.mean(0), rtol=1e-4, atol=1e-5)
        single = network(_batch(50)[:1])
        torch.testing.assert_close(single, network(_batch(50))[:1], rtol=1e-4, atol=1e-5)


def test_standing_needs_batches(network: _Network) -> None:
    with pytest.raises(ValueError, match="forward function"), evaluation_mode(network, "standing"):
        pass
