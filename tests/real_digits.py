"""Digits as real images, and evaluation settings: fixtures of the tests of scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from contragan.evaluation.reference import ImageSet
from contragan.features.extractor import FeatureExtractor
from contragan.features.load import load_extractor
from contragan.recipes.evaluation import EvaluationConfig


def _digits(rows: slice, split: str) -> ImageSet:
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))[rows]
    images = (data.images[order] / 16 * 255).round().astype(np.uint8)[..., None]
    names = tuple(f"digit {index}" for index in range(10))
    labels = data.target[order].astype(np.int64)
    return ImageSet(images, labels, names, f"digits-{split}", "digits", split)


@pytest.fixture(scope="session")
def train_digits() -> ImageSet:
    return _digits(slice(0, 1200), "train")


@pytest.fixture(scope="session")
def test_digits() -> ImageSet:
    return _digits(slice(1200, 1797), "test")


@pytest.fixture(scope="session")
def pixels() -> FeatureExtractor:
    return load_extractor("pixels", image_shape=(1, 8, 8))


@pytest.fixture
def settings() -> Any:
    """Makes an EvaluationConfig, quick to compute, with changes."""

    def make(**changes: Any) -> EvaluationConfig:
        base: dict[str, Any] = {
            "features": "pixels",
            "num_images": 400,
            "reference": "test",
            "batch_norm": "running",
            "labels": "reference",
            "metrics": ("frechet_distance",),
        }
        return EvaluationConfig(**(base | changes))

    return make
