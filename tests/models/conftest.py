"""Settings of small networks, changed where a test says so."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter

from contragan.core.resolution import Resolution
from contragan.models import (
    Generator,
    GeneratorConfig,
    Trunk,
    TrunkConfig,
    build_generator,
    build_trunk,
)

GENERATOR: TypeAdapter[GeneratorConfig] = TypeAdapter(GeneratorConfig)
TRUNK: TypeAdapter[TrunkConfig] = TypeAdapter(TrunkConfig)
BATCH_NORM = {"batch_norm_eps": 1e-4, "batch_norm_momentum": 0.1}


def _generator_config(kind: str, **changes: Any) -> GeneratorConfig:
    settings: dict[str, Any] = {
        "kind": kind,
        "latent_dim": 60,
        "channels": 8,
        "spectral_norm": True,
        "attention_after_block": 1,
        "conditional": True,
        "conditional_batch_norm_momentum": 0.1,
        **BATCH_NORM,
    }
    if kind == "biggan":
        settings["shared_dim"] = 8
    return GENERATOR.validate_python(settings | changes)


def _trunk_config(kind: str, **changes: Any) -> TrunkConfig:
    settings: dict[str, Any] = {
        "kind": kind,
        "channels": 8,
        "spectral_norm": True,
        "attention_after_block": 1,
        "normalization": "none",
        **BATCH_NORM,
    }
    if kind != "dcgan":
        settings["relu_before_shortcut"] = True
    return TRUNK.validate_python(settings | changes)


@pytest.fixture
def generator_config() -> Callable[..., GeneratorConfig]:
    return _generator_config


@pytest.fixture
def trunk_config() -> Callable[..., TrunkConfig]:
    return _trunk_config


@pytest.fixture
def new_generator() -> Callable[..., Generator]:
    def build(
        kind: str,
        resolution: Resolution = 32,
        channels_out: int = 3,
        classes: int = 5,
        **changes: Any,
    ) -> Generator:
        config = _generator_config(kind, **changes)
        return build_generator(
            config, resolution=resolution, image_channels=channels_out, num_classes=classes
        )

    return build


@pytest.fixture
def new_trunk() -> Callable[..., Trunk]:
    def build(
        kind: str, resolution: Resolution = 32, channels_in: int = 3, **changes: Any
    ) -> Trunk:
        config = _trunk_config(kind, **changes)
        return build_trunk(config, resolution=resolution, image_channels=channels_in)

    return build
