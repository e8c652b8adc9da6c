from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter

from contragan.data import DataConfig, ImageDataset, load_dataset
from contragan.data.formats import image_suffixes


@pytest.fixture
def draw() -> Callable[..., Path]:
    """Write a noise image; returns its path."""

    def write(
        path: Path, size: tuple[int, int] = (16, 16), seed: int = 0, mode: str = "RGB"
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(noise).convert(mode).save(path)
        return path

    return write


@pytest.fixture
def tree(tmp_path: Path, draw: Callable[..., Path]) -> Path:
    """train/{ant,bee,cow} with 6 images each and test/{ant,bee,cow} with 2."""
    root = tmp_path / "set"
    for split, count in (("train", 6), ("test", 2)):
        for label, name in enumerate(("ant", "bee", "cow")):
            for index in range(count):
                draw(root / split / name / f"{index}.png", seed=100 * label + index)
    return root


@pytest.fixture
def flat(tmp_path: Path, draw: Callable[..., Path]) -> Path:
    """{ant,bee} with 10 and 20 images."""
    root = tmp_path / "flat"
    for name, count in (("ant", 10), ("bee", 20)):
        for index in range(count):
            draw(root / name / f"{index:02d}.png", seed=index)
    return root


@pytest.fixture
def config() -> Callable[..., DataConfig]:
    """A data config of some kind, 16 x 16 RGB unless said otherwise."""

    def make(kind: str = "folder", **settings: Any) -> DataConfig:
        values = {
            "kind": kind,
            "resolution": 16,
            "channels": 3,
            "horizontal_flip": False,
            "fake_labels": "training",
            **settings,
        }
        return TypeAdapter(DataConfig).validate_python(values)

    return make


@pytest.fixture
def load(tmp_path: Path, config: Callable[..., DataConfig]) -> Callable[..., ImageDataset]:
    """Load a split of a folder (or another kind), with the cache in ``tmp_path``."""

    def call(
        root: Path | None, split: Any = "train", kind: str = "folder", **settings: Any
    ) -> ImageDataset:
        options = {
            name: settings.pop(name)
            for name in ("skip_unreadable", "progress", "memory_share")
            if name in settings
        }
        chosen = config(kind, **settings)
        return load_dataset(chosen, split, root=root, cache=tmp_path / "cache", **options)

    return call


@pytest.fixture
def without_heif(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without pillow-heif, whether it is installed here or not."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    others = {name: opener for name, opener in Image.OPEN.items() if name != "HEIF"}
    monkeypatch.setattr(Image, "OPEN", others)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    image_suffixes.cache_clear()
    yield
    image_suffixes.cache_clear()


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path: Path) -> Iterator[None]:
    """Whatever a test does, no lock and nothing half-written stays behind."""
    yield
    assert not list(tmp_path.rglob("*.tmp-*"))
    assert not list(tmp_path.rglob("*.lock"))
