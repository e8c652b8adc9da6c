"""Checkpoints written beside training: copies, and errors that are not lost."""

import errno
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import save
from torch import Tensor

from contragan.core.errors import UserError
from contragan.recipes.schema import load_recipe
from contragan.runs.checkpoint import snapshot
from contragan.runs.writer import Writer
from contragan.training.setup import Request
from contragan.training.train import train


def test_jobs_run_elsewhere_one_after_the_other() -> None:
    order: list[object] = []
    release = threading.Event()

    def slow() -> None:
        release.wait(10)
        order.append(threading.current_thread() is threading.main_thread())

    with Writer() as writer:
        writer.submit(slow)
        writer.check()
        assert order == []
        release.set()
        writer.submit(lambda: order.append("second"))
    assert order == [False, "second"]


def test_an_error_is_raised_once_by_what_comes_next() -> None:
    def fail() -> None:
        raise UserError("the disk is full")

    with Writer() as writer:
        writer.submit(fail)
        with pytest.raises(UserError, match="full"):
            writer.submit(fail)
        writer.check()
    with pytest.raises(UserError, match="full"), Writer() as writer:
        writer.submit(fail)
    with Writer() as writer:
        writer.submit(fail)
        with pytest.raises(UserError, match="full"):
            writer.wait()


def test_a_snapshot_shares_nothing() -> None:
    state: dict[str, Any] = {
        "a": torch.zeros(2),
        "b": [torch.zeros(1), 3],
        "c": {"d": (torch.zeros(1), None)},
    }
    copy = snapshot(state)
    for tensor in (state["a"], state["b"][0], state["c"]["d"][0]):
        tensor.fill_(1)
    assert float(copy["a"].sum() + copy["b"][0] + copy["c"]["d"][0]) == 0
    assert copy["b"][1] == 3
    assert copy["c"]["d"][1] is None


def test_a_full_disk_stops_the_run_with_one_line(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first checkpoint is whole, the second one fails on its thread, some iterations later."""
    from contragan.runs import checkpoint

    calls = 0

    def fill(state: dict[str, Tensor]) -> bytes:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(state)

    monkeypatch.setattr(checkpoint, "serialize", fill)
    recipe = load_recipe("digits/contragan", [*tiny, "training.total_iterations=100000"])
    with pytest.raises(UserError, match=r"the disk is full: cannot write .*step-0000008"):
        train(Request("digits/contragan", recipe, out=tmp_path / "run"), Console(quiet=True))
    folder = tmp_path / "run" / "checkpoints"
    assert [path.name for path in checkpoint.checkpoints(folder)] == ["step-0000004"]
    assert not list(folder.glob(".*tmp*"))
