"""What all tests share: one thread, a cache of their own, and tiny settings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

# The shapes in signatures are checked at every call: a wrong one fails its test.
_LOSSES = ["adversarial", "contrastive", "d2d_ce", "metric_learning", "nt_xent", "pairs", "proxies"]
_CHECKED = [
    *(f"losses.{name}" for name in _LOSSES),
    "models",
    "core.types",
    "runs.model",
    "runs.sampling",
]
install_import_hook([f"contragan.{name}" for name in _CHECKED], "signature_check.checked")

pytest_plugins = ["headless", "real_digits"]

TINY = [
    "generator.channels=8",
    "generator.latent_dim=12",
    "generator.shared_dim=8",
    "discriminator.channels=8",
    "training.batch_size=16",
    "training.log_every_iterations=2",
    "training.sample_every_iterations=100",
    "training.checkpoint_every_iterations=4",
    "training.evaluate_every_iterations=null",
    "training.evaluate_at_start=false",
    "evaluation.features=pixels",
    "evaluation.num_images=64",
]
"""Overrides that make a digits recipe train in milliseconds."""


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTRAGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiny() -> list[str]:
    return list(TINY)


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny finished run on digits, for reading only."""
    from rich.console import Console

    from contragan.recipes.schema import load_recipe
    from contragan.training.setup import Request
    from contragan.training.train import train

    folder = tmp_path_factory.mktemp("runs") / "digits"
    overrides = [*TINY, "training.total_iterations=8", "training.evaluate_every_iterations=4"]
    recipe = load_recipe("digits/contragan", overrides)
    train(Request("digits/contragan", recipe, out=folder), Console(quiet=True))
    return folder
