"""The moving average against its formula, number by number, over some updates."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor

from contragan.models import Generator
from contragan.recipes.gan import build
from contragan.recipes.schema import EMAConfig, load_recipe
from contragan.training.ema import EMA
from contragan.training.setup import Request
from contragan.training.train import train

DECAY, START, UPDATES = 0.7, 3, 6
State = dict[str, Tensor]


def is_averaged(name: str) -> bool:
    """Weights and batch-norm statistics are averaged; counters and singular vectors are copied."""
    return not name.endswith((".num_batches_tracked", ".u", ".v"))


def averaged(history: list[State], decay: float, start: int) -> State:
    """The average after the last state of ``history``, which holds one for each update from 1."""
    average: State = {}
    for update, state in enumerate(history, 1):
        for name, value in state.items():
            wide = value.double() if value.is_floating_point() else value
            if update <= start or not is_averaged(name):
                average[name] = wide
            else:
                average[name] = decay * average[name] + (1 - decay) * wide
    return {name: value.to(history[-1][name].dtype) for name, value in average.items()}


def generator(tiny: list[str]) -> Generator:
    return build(load_recipe("digits/contragan", tiny), 10, seed=0).generator


def state(network: torch.nn.Module) -> State:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@torch.no_grad()
def change(network: torch.nn.Module) -> None:
    """Other numbers in every weight and buffer, as an update leaves them."""
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.randn_like(value).abs() if "var" in name else torch.randn_like(value))
        else:
            value.add_(1)


@pytest.mark.parametrize("start", [0, START])
def test_every_weight_and_statistic_follows_the_formula(tiny: list[str], start: int) -> None:
    torch.manual_seed(0)
    network = generator(tiny)
    names = set(network.state_dict())
    assert {n.rpartition(".")[2] for n in names} >= {"running_mean", "running_var", "u", "v"}
    ema = EMA(network, EMAConfig(decay=DECAY, start_iteration=start))
    # Before the first update the average is the generator as it was built.
    history = [state(network)] if start == 0 else []
    for update in range(1, UPDATES + 1):
        change(network)
        ema.update(update)
        history.append(state(network))
        expected = averaged(history, DECAY, 1 if start == 0 else start)
        torch.testing.assert_close(state(ema.average), expected, rtol=1e-5, atol=1e-6)
    # A slow average is mostly old: far from the generator of now.
    assert not torch.allclose(ema.average.linear.weight, network.linear.weight, atol=0.1)  # type: ignore[union-attr, arg-type]


def test_the_average_shares_nothing_with_the_generator(tiny: list[str]) -> None:
    network = generator(tiny)
    ema = EMA(network, EMAConfig(decay=DECAY, start_iteration=0))
    before = state(ema.average)
    change(network)
    torch.testing.assert_close(state(ema.average), before, rtol=0, atol=0)
    assert not any(p.requires_grad for p in ema.average.parameters())
    assert not ema.average.training
    assert network.training


def test_a_run_averages_its_generator_after_every_update(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the files: the average of checkpoint 5 is the formula over generators 1 to 5."""
    monkeypatch.setattr("contragan.runs.checkpoint.KEEP", 100)
    settings = [
        "training.total_iterations=5",
        "training.checkpoint_every_iterations=1",
        "training.discriminator_steps=2",
        f"training.ema={{decay: {DECAY}, start_iteration: 2}}",
    ]
    recipe = load_recipe("digits/contragan", [*tiny, *settings])
    train(Request("digits/contragan", recipe, out=tmp_path / "run"), Console(quiet=True))
    folders = [tmp_path / "run" / "checkpoints" / f"step-{step:07d}" for step in range(1, 6)]
    history = [load_file(folder / "generator.safetensors") for folder in folders]
    for count in range(1, 6):
        found = load_file(folders[count - 1] / "generator_ema.safetensors")
        torch.testing.assert_close(found, averaged(history[:count], DECAY, 2), rtol=1e-5, atol=1e-6)
    assert not torch.equal(found["linear.weight"], history[-1]["linear.weight"])
