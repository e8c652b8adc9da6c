from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from rich.console import Console
from torch import Tensor

from contragan.core.errors import UserError
from contragan.core.pair_pictures import ClosestPairs
from contragan.evaluation.protocol import (
    IndexedDraw,
    evaluate,
    evaluate_images,
    label_sequence,
)
from contragan.evaluation.record import EvaluationRecord, to_table
from contragan.evaluation.reference import ImageSet
from contragan.features.extractor import FeatureExtractor
from contragan.metrics.frechet import frechet_distance
from contragan.recipes.evaluation import EvaluationConfig, named_protocol

Settings = Callable[..., EvaluationConfig]


def resample(source: ImageSet, order: list[int] | None = None, noise: float = 0.0) -> IndexedDraw:
    """Draws real images of the asked class, or of the class that ``order`` puts in its place."""

    def draw(labels: Tensor, indices: Tensor) -> Tensor:
        images = []
        for label, index in zip(labels.tolist(), indices.tolist(), strict=True):
            rng = np.random.default_rng(index)
            rows = np.flatnonzero(source.labels == (order[label] if order else label))
            pixels = source.images[rng.choice(rows)].transpose(2, 0, 1) / 127.5 - 1
            images.append(pixels + noise * rng.normal(size=pixels.shape))
        return torch.from_numpy(np.stack(images)).float()

    return IndexedDraw(draw)


def test_record_states_its_protocol(
    train_digits: ImageSet,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Settings,
    tmp_path: Path,
) -> None:
    record = evaluate(
        resample(train_digits),
        reference=test_digits,
        probe_train=train_digits,
        config=settings(metrics=("frechet_distance", "class_fidelity")),
        extractor=pixels,
        cache_dir=tmp_path,
        seed=3,
        context={"iteration": 100, "ema": True},
    )
    assert record.values["class_accuracy"] > 0.9
    assert record.values["real_class_accuracy"] > 0.9
    assert record.counts == {
        "generated": 400,
        "reference": 597,
        "probe_fitted": 1200,
        "probe_held_out": 597,
    }
    assert record.protocol["extractor"] == pixels.protocol()
    assert record.protocol["data"]["fingerprint"] == "digits-test"
    assert record.protocol["batch_norm"] == "running"
    assert record.context == {"iteration": 100, "ema": True}
    assert {"torch", "contragan"} <= set(record.versions)
    restored = EvaluationRecord.from_dict(json.loads(json.dumps(record.to_dict())))
    assert restored == record
    console = Console(record=True, width=100)
    console.print(to_table(record))
    text = console.export_text()
    assert "Fréchet distance (pixels)" in text
    assert "digits test, 597 images" in text
    lines = record.lines(100)
    assert lines[-1] == {"step": 100, **record.to_dict()}
    assert {"step": 100, "name": "evaluation/class_accuracy", "unit": "share"}.items() <= next(
        line for line in lines if line["name"].endswith("/class_accuracy")
    ).items()


def test_value_is_that_of_the_plain_functions(
    train_digits: ImageSet,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Settings,
    tmp_path: Path,
) -> None:
    draw, config = resample(train_digits), settings()
    labels = torch.from_numpy(label_sequence(test_digits, config, 0))
    images = draw.function(labels, torch.arange(len(labels))).add(1).mul(127.5).round() / 255
    real = torch.from_numpy(test_digits.images).permute(0, 3, 1, 2).flatten(1) / 255
    expected = frechet_distance(images.flatten(1), real)
    for batch_size in (7, 64, 1000):
        record = evaluate(
            draw,
            reference=test_digits,
            probe_train=None,
            config=settings(batch_size=batch_size),
            extractor=pixels,
            cache_dir=tmp_path / str(batch_size),
        )
        assert record.values["frechet_distance"] == pytest.approx(expected, rel=1e-6)


def test_all_metrics_in_one_pass(
    train_digits: ImageSet,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Settings,
    tmp_path: Path,
) -> None:
    drawn = 0
    inner = resample(train_digits).function

    def draw(labels: Tensor, indices: Tensor) -> Tensor:
        nonlocal drawn
        drawn += len(labels)
        return inner(labels, indices)

    pairs: list[ClosestPairs] = []
    record = evaluate(
        IndexedDraw(draw),
        reference=test_digits,
        probe_train=train_digits,
        config=settings(
            metrics=(
                "frechet_distance",
                "kernel_distance",
                "precision_recall",
                "intra_class_distance",
                "class_fidelity",
                "memorisation",
            ),
            kernel_subsets=5,
            kernel_subset_size=200,
        ),
        extractor=pixels,
        cache_dir=tmp_path,
        closest_pairs=pairs.append,
    )
    assert drawn == 400
    assert abs(record.values["kernel_distance_mean"]) < 0.01
    assert record.values["precision"] > 0.5
    assert record.counts["kernel_subset"] == 200
    worst = record.details["intra_class_distance"]["worst"]
    assert record.values["intra_class_distance_worst"] == max(worst.values())
    # The generator returns training images: every one is a copy.
    assert record.values["copied_share"] == 1.0
    assert record.values["memorisation_ratio"] < 1e-3
    assert np.array_equal(pairs[0].generated, pairs[0].training)
    assert len(record.details["memorisation"]) == len(pairs[0].distances) == 16


def test_classification_accuracy_in_both_directions(
    train_digits: ImageSet,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Settings,
    tmp_path: Path,
) -> None:
    classifier = {
        "width": 8,
        "blocks": 1,
        "epochs": 8,
        "batch_size": 32,
        "learning_rate": 0.1,
        "flip": False,
    }
    config = settings(metrics=("classification_accuracy",), classifier=classifier)
    common: dict[str, Any] = {
        "reference": test_digits,
        "probe_train": train_digits,
        "config": config,
        "extractor": pixels,
        "cache_dir": tmp_path,
    }
    state = torch.get_rng_state()
    good = evaluate(resample(train_digits), **common).values
    rolled = evaluate(resample(train_digits, [*range(1, 10), 0]), **common).values
    assert torch.equal(state, torch.get_rng_state())
    assert min(good.values()) > 0.8
    assert rolled["cas_generated_to_real"] < 0.1
    assert rolled["cas_real_to_generated"] < 0.1
    assert rolled["cas_real_to_real"] == good["cas_real_to_real"]


def test_permutation_is_named_though_the_distance_is_blind(
    train_digits: ImageSet,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Settings,
    tmp_path: Path,
) -> None:
    metrics = ("frechet_distance", "intra_class_distance", "class_fidelity")

    def run(order: list[int] | None) -> EvaluationRecord:
        return evaluate(
            resample(train_digits, order),
            reference=test_digits,
            probe_train=train_digits,
            config=settings(metrics=metrics, labels="uniform"),
            extractor=pixels,
            cache_dir=tmp_path,
        )

    faithful, rolled = run(None), run([*range(1, 10), 0])
    assert rolled.values["frechet_distance"] == pytest.approx(
        faithful.values["frechet_distance"], rel=0.25
    )
    name = "intra_class_distance_mean"
    assert rolled.values[name] > 5 * faithful.values[name]
    assert rolled.values["relabelled_class_accuracy"] > 0.9
    assert rolled.values["class_accuracy"] < 0.1
    assert rolled.class_fidelity is not None
    assert rolled.class_fidelity["permutation"]["digit 3"] == "digit 4"
    assert any("has permuted 10 of its 10 classes" in line for line in rolled.warnings)
    assert [line for line in faithful.warnings if "intra-class" not in line] == []


def test_distances_grow_with_damage(
    train_digits: ImageSet,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Settings,
    tmp_path: Path,
) -> None:
    def score(draw: IndexedDraw) -> tuple[float, float]:
        values = evaluate(
            draw,
            reference=test_digits,
            probe_train=None,
            config=settings(
                metrics=("frechet_distance", "kernel_distance"),
                kernel_subsets=5,
                kernel_subset_size=400,
            ),
            extractor=pixels,
            cache_dir=tmp_path,
        ).values
        return values["frechet_distance"], values["kernel_distance_mean"]

    def blurred(strength: float) -> IndexedDraw:
        inner = resample(train_digits).function

        def draw(labels: Tensor, indices: Tensor) -> Tensor:
            images = inner(labels, indices)
            soft = torch.nn.functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
            return images + strength * (soft - images)

        return IndexedDraw(draw)

    clean = score(resample(train_digits))
    series = [
        [resample(train_digits, noise=level) for level in (0.2, 0.5)],
        [blurred(0.5), blurred(1.0)],
        [resample(train_digits, [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]), resample(train_digits, [0] * 10)],
    ]
    for little, much in series:
        few, many = score(little), score(much)
        assert clean[0] < few[0] < many[0]
        assert clean[1] < few[1] < many[1]


def test_labels_follow_the_reference_or_are_uniform(
    test_digits: ImageSet, settings: Settings
) -> None:
    rows = np.flatnonzero(test_digits.labels < 2)[:60]
    rows = np.append(rows, np.flatnonzero(test_digits.labels == 5)[:20])
    part = ImageSet(
        test_digits.images[rows],
        test_digits.labels[rows],
        test_digits.class_names,
        "p",
        "p",
        "test",
    )
    counts = np.bincount(part.labels, minlength=10)
    same = label_sequence(part, settings(num_images=None), 0)
    assert (np.bincount(same, minlength=10) == counts).all()
    doubled = label_sequence(part, settings(num_images=160), 0)
    assert (np.bincount(doubled, minlength=10) == 2 * counts).all()
    uniform = np.bincount(label_sequence(part, settings(num_images=103, labels="uniform"), 0))
    assert sorted(uniform) == [10] * 7 + [11] * 3
    assert not np.array_equal(same, np.sort(same))
    assert np.array_equal(same, label_sequence(part, settings(num_images=None), 0))


def test_few_images_are_warned_about(
    train_digits: ImageSet,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Settings,
    tmp_path: Path,
) -> None:
    def warnings(count: int) -> tuple[str, ...]:
        return evaluate(
            resample(train_digits),
            reference=test_digits,
            probe_train=None,
            config=settings(num_images=count),
            extractor=pixels,
            cache_dir=tmp_path,
        ).warnings

    assert warnings(65) == ()
    (line,) = warnings(64)
    assert "64 images for 64 feature dimensions" in line
    assert "or the kernel distance" in line
    assert "KID" not in line  # which is Inception's alone


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda n: torch.full((n, 1, 8, 8), torch.nan), "NaN or infinite pixels"),
        (lambda n: torch.full((n, 1, 8, 8), torch.inf), "NaN or infinite pixels"),
        (lambda n: torch.zeros(n, 3, 8, 8), "one size and colour"),
        (lambda n: torch.zeros(n, 1, 9, 9), "one size and colour"),
    ],
)
def test_broken_images_are_a_user_error_and_cache_nothing(
    broken: Callable[[int], Tensor],
    message: str,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Settings,
    tmp_path: Path,
) -> None:
    with pytest.raises(UserError, match=message):
        evaluate(
            lambda labels: broken(len(labels)),
            reference=test_digits,
            probe_train=None,
            config=settings(),
            extractor=pixels,
            cache_dir=tmp_path,
        )
    assert not list(tmp_path.rglob("*.np*"))


def test_inception_score_needs_a_classifier(
    train_digits: ImageSet, pixels: FeatureExtractor, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="pixels has no classifier"):
        evaluate(
            resample(train_digits),
            reference=train_digits,
            probe_train=None,
            config=settings(metrics=("inception_score",)),
            extractor=pixels,
            cache_dir=tmp_path,
        )


def test_two_image_sets(
    train_digits: ImageSet,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Settings,
    tmp_path: Path,
) -> None:
    config = settings(metrics=("frechet_distance", "class_fidelity"))
    record = evaluate_images(
        train_digits, reference=test_digits, config=config, extractor=pixels, cache_dir=tmp_path
    )
    assert record.counts["generated"] == 1200
    assert record.values["class_accuracy"] > 0.85
    assert record.protocol["batch_norm"] == "unknown"
    assert record.context["generated"] == "digits"
    itself = evaluate_images(
        test_digits, reference=test_digits, config=settings(), extractor=pixels, cache_dir=tmp_path
    )
    assert itself.values["frechet_distance"] < 1e-6
    plain = ImageSet(
        train_digits.images, train_digits.labels * 0, ("image",), "x", "other", "given"
    )
    with pytest.raises(UserError, match="the images of other all have one label"):
        evaluate_images(plain, reference=test_digits, config=config, extractor=pixels)
    small = ImageSet(train_digits.images[:, :7], train_digits.labels, ("a",), "x", "small", "given")
    with pytest.raises(UserError, match="small holds images of 8 x 7 pixels with 1 channel"):
        evaluate_images(small, reference=test_digits, config=settings(), extractor=pixels)


def test_progress_reaches_the_end(
    train_digits: ImageSet,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Settings,
    tmp_path: Path,
) -> None:
    seen: dict[str, tuple[int, int]] = {}
    evaluate(
        resample(train_digits),
        reference=test_digits,
        probe_train=None,
        config=settings(),
        extractor=pixels,
        cache_dir=tmp_path,
        progress=lambda stage, done, total: seen.update({stage: (done, total)}),
    )
    assert seen == {"generated images": (400, 400), "features of digits test": (597, 597)}


def test_named_protocols() -> None:
    paper = named_protocol("contragan-paper")
    assert (paper.protocol, paper.num_images, paper.reference) == ("contragan-paper", None, "test")
    assert named_protocol("full").num_images == 50_000
    assert "class_diversity" in named_protocol("full").metrics
    changed = named_protocol("full", features="efficientnet-lite0", num_images=50_000)
    assert changed.protocol == "full, changed: features"
    with pytest.raises(UserError, match="unknown protocol 'paper': choose from contragan-paper"):
        named_protocol("paper")
    with pytest.raises(ValidationError, match="features"):
        named_protocol("full", features="incepton")
