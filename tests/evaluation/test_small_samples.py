"""Too few images: scores that would mislead are left out or warned about, and counts recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from contragan.core.errors import UserError
from contragan.evaluation.protocol import evaluate_images
from contragan.evaluation.record import EvaluationRecord
from contragan.evaluation.reference import ImageSet
from contragan.features.extractor import FeatureExtractor, Features
from contragan.metrics.inception_score import inception_score
from contragan.metrics.intra_class import intra_class_distance
from contragan.metrics.kernel import kernel_distance, squared_mmd
from contragan.recipes.evaluation import EvaluationConfig

Settings = Callable[..., EvaluationConfig]


class Classifier(FeatureExtractor):
    """Pixels, with logits for 12 classes that follow from them."""

    def __init__(self, name: str) -> None:
        self.name, self.dim, self.device = name, 64, torch.device("cpu")
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.randn(64, 12, generator=generator)

    def protocol(self) -> dict[str, Any]:
        return {
            "extractor": self.name,
            "dim": 64,
            "resize": "tf-bilinear",
            "precision": "float32",
        }

    def __call__(self, images: Tensor) -> Features:
        rows = images.flatten(1).float().div(255)
        return Features(rows, rows @ self.weight)


@pytest.fixture
def score(
    test_digits: ImageSet, pixels: FeatureExtractor, settings: Settings, tmp_path: Path
) -> Any:
    def run(
        generated: ImageSet,
        reference: ImageSet = test_digits,
        extractor: FeatureExtractor = pixels,
        **changes: Any,
    ) -> EvaluationRecord:
        return evaluate_images(
            generated,
            reference=reference,
            config=settings(**changes),
            extractor=extractor,
            cache_dir=tmp_path,
        )

    return run


def first(source: ImageSet, count: int) -> ImageSet:
    return replace(
        source,
        images=source.images[:count],
        labels=source.labels[:count],
        fingerprint=f"{source.fingerprint}-{count}",
    )


@pytest.mark.parametrize(
    ("extractor", "features", "name"),
    [
        ("inception", "inception", "inception_score"),
        ("efficientnet-lite0", "efficientnet-lite0", "classifier_score"),
    ],
)
def test_no_score_of_fewer_than_ten_images_a_split(
    score: Any, train_digits: ImageSet, extractor: str, features: str, name: str
) -> None:
    common = {"extractor": Classifier(extractor), "features": features}
    common["metrics"] = ("inception_score",)
    record = score(first(train_digits, 99), **common)
    assert record.values == {}
    assert record.counts[f"{name}_images_per_split"] == 9
    assert any("10 splits of 99 images have fewer than 10" in line for line in record.warnings)
    record = score(first(train_digits, 100), **common)
    logits = Classifier(extractor)(
        torch.from_numpy(train_digits.images[:100]).permute(0, 3, 1, 2)
    ).logits
    assert logits is not None
    assert record.values[f"{name}_mean"] == pytest.approx(inception_score(logits).mean)
    assert record.counts[f"{name}_splits"] == 10
    assert any("10 images per split for 12 predicted classes" in line for line in record.warnings)
    record = score(first(train_digits, 120), **common)
    assert not any("biased" in line for line in record.warnings)


def test_only_inceptions_predictions_make_an_inception_score(
    score: Any, train_digits: ImageSet
) -> None:
    ours = score(
        train_digits,
        extractor=Classifier("efficientnet-lite0"),
        features="efficientnet-lite0",
        metrics=("inception_score",),
    )
    assert set(ours.values) == {"classifier_score_mean", "classifier_score_std"}
    assert ours.protocol["metrics"] == ["classifier_score"]
    assert any("cannot be compared with Inception Scores" in line for line in ours.warnings)
    theirs = score(
        train_digits,
        extractor=Classifier("inception"),
        features="inception",
        metrics=("classifier_score",),
    )
    assert set(theirs.values) == {"inception_score_mean", "inception_score_std"}
    assert not any("compared" in line for line in theirs.warnings)


def test_subsets_of_more_than_half_a_set_have_no_deviation(
    score: Any, train_digits: ImageSet
) -> None:
    """With the subset as large as the set the deviation was 0, as if the distance were exact."""
    metrics = {"metrics": ("kernel_distance",), "kernel_subsets": 4}
    record = score(train_digits, **metrics)
    assert set(record.values) == {"kernel_distance_mean"}
    assert record.counts["kernel_subset"] == 597
    assert any("of 597 are more than half of 597" in line for line in record.warnings)
    record = score(train_digits, kernel_subset_size=298, **metrics)
    assert record.values["kernel_distance_std"] > 0
    assert record.warnings == ()
    assert np.isnan(kernel_distance(torch.rand(9, 2), torch.rand(9, 2), subset_size=5).std)


def test_kernel_distance_of_whole_sets() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(count, 5, generator=generator, dtype=torch.float64) for count in (30, 45))

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / 5 + 1) ** 3

    within_a = kernel(a, a)[~torch.eye(30, dtype=torch.bool)].mean()
    within_b = kernel(b, b)[~torch.eye(45, dtype=torch.bool)].mean()
    expected = within_a + within_b - 2 * kernel(a, b).mean()
    assert squared_mmd(a, b) == pytest.approx(expected.item(), abs=1e-6)


def test_kernel_distance_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = torch.rand(50, 4), torch.rand(70, 4) + 0.2
    whole = squared_mmd(a, b)
    monkeypatch.setattr("contragan.metrics.kernel.ROWS", 16)
    assert squared_mmd(a, b) == pytest.approx(whole, rel=1e-5)


def test_halves_of_one_distribution_within_classes() -> None:
    """50 images per class, 256 dimensions: a Fréchet distance of noise, and a kernel one near 0."""
    generator = torch.Generator().manual_seed(0)
    labels = np.arange(20).repeat(50)
    centres = torch.randn(20, 256, generator=generator)

    def half() -> np.ndarray:
        noise = torch.randn(1000, 256, generator=generator)
        return (centres[torch.from_numpy(labels)] + noise).numpy()

    found = intra_class_distance(half(), labels, half(), labels, tuple(map(str, range(20))))
    apart = intra_class_distance(half(), labels, half() + 0.3, labels, tuple(map(str, range(20))))
    spread = found.kernel_distances.std() / 20**0.5
    assert found.mean > 200
    assert abs(found.kernel_mean) < 3 * spread
    assert apart.kernel_mean > 20 * spread
    assert (found.images == 50).all()


def test_intra_class_distance_of_few_images_is_warned_about(
    score: Any, train_digits: ImageSet, test_digits: ImageSet
) -> None:
    record = score(train_digits, metrics=("intra_class_distance",))
    fewest = int(np.bincount(test_digits.labels).min())
    assert record.counts["intra_class_fewest"] == fewest < 64
    assert any(f"As few as {fewest} images of a class for 64" in line for line in record.warnings)
    details = record.details["intra_class_distance"]
    rows = [
        torch.from_numpy(source.images[source.labels == 3].reshape(-1, 64).astype(np.float32) / 255)
        for source in (test_digits, train_digits)
    ]
    assert details["kernel_per_class"]["digit 3"] == pytest.approx(squared_mmd(*rows), abs=1e-7)
    assert details["images"]["digit 3"] == {"real": len(rows[0]), "generated": len(rows[1])}
    mean = np.mean(list(details["kernel_per_class"].values()))
    assert record.values["intra_class_kernel_distance_mean"] == pytest.approx(mean)


@pytest.mark.parametrize("metric", ["frechet_distance", "kernel_distance", "memorisation"])
def test_one_image_on_either_side_is_one_clear_line(
    score: Any, train_digits: ImageSet, test_digits: ImageSet, metric: str
) -> None:
    one = replace(first(test_digits, 1), name="one")
    expected = "one holds 1 image: a distance between sets needs at least 2 in every set"
    with pytest.raises(UserError, match=expected):
        score(one, metrics=(metric,))
    with pytest.raises(UserError, match=expected):
        score(train_digits, one, metrics=(metric,))


def test_too_few_images_for_neighbours_on_either_side(
    score: Any, train_digits: ImageSet, test_digits: ImageSet
) -> None:
    five = replace(first(test_digits, 5), name="five")
    expected = "five holds 5 images: precision and recall need at least 6 in every set"
    for sets in ((five, test_digits), (train_digits, five)):
        with pytest.raises(UserError, match=expected):
            score(*sets, metrics=("frechet_distance", "precision_recall"))
    six = replace(first(test_digits, 6), name="six")
    assert "precision" in score(six, metrics=("precision_recall",)).values
