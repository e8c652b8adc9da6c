"""Networks that do not fit are one line that names the settings to change."""

from pathlib import Path

import pytest
import torch
from rich.console import Console

from contragan.core.errors import UserError
from contragan.recipes.gan import build
from contragan.recipes.schema import load_recipe
from contragan.training import room
from contragan.training.setup import Request
from contragan.training.step import Step
from contragan.training.train import train


def test_weights_are_counted_as_often_as_training_holds_them(
    tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe("digits/contragan", tiny)
    need = 0
    with torch.device("meta"):
        gan = build(recipe, 10, 0)
    for network, copies in ((gan.generator, 5), (gan.discriminator, 4)):  # one more: the average
        need += copies * 4 * sum(p.numel() for p in network.parameters())
    monkeypatch.setattr(room, "free_memory", lambda device: need)
    room.check_room(recipe, 10, torch.device("cpu"))
    monkeypatch.setattr(room, "free_memory", lambda device: need - 1)
    with pytest.raises(UserError, match=r"B are free: lower generator\.channels"):
        room.check_room(recipe, 10, torch.device("cpu"))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_out_of_memory_in_a_step(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(Step, "generator_step", fail)
    recipe = load_recipe("digits/contragan", tiny)
    with pytest.raises(UserError, match=r"out of memory: .* training\.batch_size"):
        train(Request("digits/contragan", recipe, out=tmp_path / "run"), Console(quiet=True))
    with pytest.raises(RuntimeError, match="a mistake"), room.memory_explained():
        raise RuntimeError("a mistake")
