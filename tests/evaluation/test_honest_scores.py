"""Probes are tested on images they have not seen, and caches serve what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from contragan.core.processes import Ranks
from contragan.evaluation.protocol import IndexedDraw, evaluate
from contragan.evaluation.real_features import RealFeatures
from contragan.evaluation.reference import ImageSet
from contragan.features.cache import StatisticsCache
from contragan.features.extractor import FeatureExtractor, Features
from contragan.features.feature_pass import FeaturePass
from contragan.features.load import load_extractor
from contragan.recipes.evaluation import EvaluationConfig

Settings = Callable[..., EvaluationConfig]


def noise(count: int, seed: int, split: str) -> ImageSet:
    """Images that say nothing of their labels; with few of them a probe learns each by heart."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 8, 8, 1)).astype(np.uint8)
    labels = np.arange(count) % 4
    return ImageSet(images, labels, ("a", "b", "c", "d"), f"noise-{seed}", "noise", split)


def score(
    train: ImageSet | None, reference: ImageSet, config: EvaluationConfig, cache: Path
) -> dict[str, float]:
    def copy(labels: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        rows = [np.flatnonzero(reference.labels == label)[0] for label in labels.tolist()]
        return torch.from_numpy(reference.images[rows]).permute(0, 3, 1, 2)

    return evaluate(
        IndexedDraw(copy),
        reference=reference,
        probe_train=train,
        config=config,
        extractor=load_extractor("pixels", image_shape=(1, 8, 8)),
        cache_dir=cache,
    ).values


@pytest.mark.parametrize("own_training_set", [False, True])
@pytest.mark.parametrize("limit", [None, 60])
def test_a_probe_is_tested_on_images_it_has_not_seen(
    settings: Settings, tmp_path: Path, own_training_set: bool, limit: int | None
) -> None:
    reference = noise(120, 0, "test")
    train = noise(80, 1, "train") if own_training_set else None
    config = settings(metrics=("class_fidelity",), num_images=40, probe_images=limit)
    found = score(train, reference, config, tmp_path)
    # By heart it would know nearly all of them; honestly, a guess among four.
    assert found["real_class_accuracy"] < 0.5


class Scaled(FeatureExtractor):
    """Pixels times a factor: one name, two ways to prepare an image."""

    def __init__(self, factor: float) -> None:
        self.name, self.dim, self.device, self.factor = "scaled", 64, torch.device("cpu"), factor

    def protocol(self) -> dict[str, object]:
        return {"extractor": self.name, "factor": self.factor}

    def __call__(self, images: torch.Tensor) -> Features:
        return Features(images.flatten(1).float() * self.factor, None)


def test_the_cache_knows_how_features_were_made(tmp_path: Path) -> None:
    images = noise(40, 0, "test")

    def mean(factor: float) -> float:
        passing = FeaturePass(Scaled(factor), 16, Ranks(), None)
        real = RealFeatures(passing, StatisticsCache(tmp_path))(images, features=False)
        return float(real.gaussian.mean.mean())

    assert mean(2.0) == pytest.approx(2 * mean(1.0))
    assert mean(2.0) == pytest.approx(2 * float(images.images.mean()))


@pytest.mark.parametrize(("first", "second"), [("fingerprint", "split"), ("split", "fingerprint")])
def test_the_cache_knows_whose_features_they_are(tmp_path: Path, first: str, second: str) -> None:
    """Sets that share a name, and either the split or the content's fingerprint."""
    sets = {
        "fingerprint": noise(40, 1, "test"),
        "split": noise(40, 0, "train"),
        "both": noise(40, 0, "test"),
    }
    for name in ("both", first, second):
        passing = FeaturePass(Scaled(1.0), 16, Ranks(), None)
        real = RealFeatures(passing, StatisticsCache(tmp_path))
        if name == "split":  # the same fingerprint, but other images
            sets[name].images[:] //= 2
        found = real(sets[name], features=True)
        assert found.features is not None
        np.testing.assert_allclose(found.features, sets[name].images.reshape(40, 64))
        part = real(sets[name], features=True, indices=np.arange(5, 15))
        assert part.features is not None
        np.testing.assert_allclose(part.features, found.features[5:15])


def test_the_cache_knows_the_labels_of_a_probe(tmp_path: Path) -> None:
    images = noise(40, 0, "test")
    real = RealFeatures(FeaturePass(Scaled(1.0), 16, Ranks(), None), StatisticsCache(tmp_path))
    found = real(images, features=True)
    assert found.features is not None
    for labels in (images.labels, 3 - images.labels):
        probe = real.probe(found.key, found.features, labels, 4)
        assert (probe.predict(found.features) == labels).mean() > 0.9
