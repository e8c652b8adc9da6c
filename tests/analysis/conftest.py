"""Tiny runs of other conditionings, for reading only, and the figures' command."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from in_process import contragan

Plot = Callable[..., tuple[int, str, str]]


def _trained(folder: Path, name: str, settings: list[str]) -> Path:
    from rich.console import Console

    from contragan.recipes.schema import load_recipe
    from contragan.training.setup import Request
    from contragan.training.train import train

    recipe = load_recipe(name, [*settings, "training.total_iterations=4"])
    train(Request(name, recipe, out=folder), Console(quiet=True))
    return folder


@pytest.fixture(scope="session")
def projection_run(tmp_path_factory: pytest.TempPathFactory, tiny: list[str]) -> Path:
    """A run with labels whose discriminator has no embedding; never evaluated."""
    return _trained(tmp_path_factory.mktemp("runs") / "projection", "digits/biggan", tiny)


@pytest.fixture(scope="session")
def unlabelled_run(tmp_path_factory: pytest.TempPathFactory, tiny: list[str]) -> Path:
    """A run without labels, evaluated once."""
    settings = [*tiny, "training.evaluate_every_iterations=4"]
    return _trained(tmp_path_factory.mktemp("runs") / "plain", "digits/uncond-biggan", settings)


@pytest.fixture
def plot(capsys: pytest.CaptureFixture[str]) -> Plot:
    """Runs ``contragan plot`` in this process: exit code, output, errors."""
    return partial(contragan, capsys, "plot")


@pytest.fixture
def refused(plot: Plot) -> Callable[..., str]:
    """Runs ``contragan plot`` and returns the one line with which it is refused."""

    def run(*words: object) -> str:
        code, _, errors = plot(*words)
        assert code == 2
        (line,) = errors.strip().splitlines()
        assert line.startswith("error: ")
        return line

    return run
