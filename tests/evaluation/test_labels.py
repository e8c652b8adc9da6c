"""Metrics by class: which classes two sets share, and what is measured where they do not."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contragan.core.errors import UserError
from contragan.evaluation.labels import matched_labels, without_metrics_by_class
from contragan.evaluation.protocol import evaluate, evaluate_images
from contragan.evaluation.record import EvaluationRecord
from contragan.evaluation.reference import ImageSet
from contragan.features.extractor import FeatureExtractor
from contragan.recipes.evaluation import EvaluationConfig, named_protocol

Settings = Callable[..., EvaluationConfig]
BY_CLASS = ("class_fidelity", "intra_class_distance", "classification_accuracy")
QUICK = {"width": 4, "blocks": 1, "epochs": 2, "batch_size": 64, "flip": False}


def flat(source: ImageSet, name: str) -> ImageSet:
    """The images without their labels, as a folder of images gives them."""
    return replace(source, labels=source.labels * 0, class_names=("image",), name=name)


def with_names(source: ImageSet, names: list[str], order: list[int] | None = None) -> ImageSet:
    """The set with other class names, its classes perhaps in another order."""
    order = list(range(len(names))) if order is None else order
    place = np.argsort(order)
    return replace(
        source,
        labels=place[source.labels].astype(np.int64),
        class_names=tuple(names[index] for index in order),
        name="generated",
    )


def without(source: ImageSet, *labels: int) -> ImageSet:
    rows = ~np.isin(source.labels, labels)
    return replace(source, images=source.images[rows], labels=source.labels[rows], name="generated")


@pytest.fixture
def score(
    test_digits: ImageSet, pixels: FeatureExtractor, settings: Settings, tmp_path: Path
) -> Callable[..., EvaluationRecord]:
    def run(generated: ImageSet, reference: ImageSet = test_digits, **changes: Any) -> Any:
        config = changes.pop("config", None) or settings(**changes)
        return evaluate_images(
            generated, reference=reference, config=config, extractor=pixels, cache_dir=tmp_path
        )

    return run


@pytest.mark.parametrize("metric", BY_CLASS)
def test_noise_and_photographs_without_labels_get_no_class_score(
    metric: str, score: Callable[..., EvaluationRecord], test_digits: ImageSet
) -> None:
    """Two flat folders once had a class accuracy and a CAS of 1."""
    noise = np.random.default_rng(0).integers(0, 256, test_digits.images.shape, dtype=np.uint8)
    generated = flat(replace(test_digits, images=noise), "noise")
    with pytest.raises(UserError, match=f"{metric} needs at least two classes.* photographs all"):
        score(generated, flat(test_digits, "photographs"), metrics=("frechet_distance", metric))
    with pytest.raises(UserError, match=f"{metric} needs at least two classes.* noise all"):
        score(generated, metrics=("frechet_distance", metric))


def test_ten_names_with_images_of_one_are_one_class(
    score: Callable[..., EvaluationRecord], train_digits: ImageSet, test_digits: ImageSet
) -> None:
    single = replace(test_digits, labels=test_digits.labels * 0, name="single")
    with pytest.raises(UserError, match="the images of single all have one label"):
        score(train_digits, single, metrics=("class_fidelity",))


@pytest.mark.parametrize("side", ["generated", "reference"])
def test_a_named_protocol_leaves_them_out_and_says_so(
    side: str,
    score: Callable[..., EvaluationRecord],
    train_digits: ImageSet,
    test_digits: ImageSet,
) -> None:
    config = named_protocol("contragan-paper", features="pixels", resize=None)
    generated, reference = train_digits, test_digits
    if side == "generated":
        generated = flat(train_digits, "plain")
    else:
        reference = flat(test_digits, "plain")
    record = score(generated, reference, config=config)
    assert {"class_accuracy", "real_class_accuracy"}.isdisjoint(record.values)
    assert record.protocol["metrics"] == ["frechet_distance", "distinct_images"]
    assert record.protocol["protocol"].endswith(", without class_fidelity")
    assert any(
        "Left out: class_fidelity needs at least two classes" in line and "plain" in line
        for line in record.warnings
    )


def test_a_recipes_metrics_are_left_out_too(settings: Settings, test_digits: ImageSet) -> None:
    """A run on one class trains with any recipe: only what was asked for by name is refused."""
    plain = flat(test_digits, "plain")
    config = settings(metrics=("frechet_distance", "class_fidelity"))
    fitting, (line,) = without_metrics_by_class(config, plain)
    assert fitting.metrics == ("frechet_distance", "distinct_images")
    assert line.startswith("Left out: class_fidelity needs at least two classes")
    assert without_metrics_by_class(config, test_digits) == (config, ())
    with pytest.raises(UserError, match="needs at least two classes"):
        without_metrics_by_class(settings(metrics=("class_fidelity",)), plain)


def test_a_generator_of_one_class(
    test_digits: ImageSet, pixels: FeatureExtractor, settings: Settings, tmp_path: Path
) -> None:
    common: dict[str, Any] = {
        "reference": flat(test_digits, "plain"),
        "probe_train": None,
        "extractor": pixels,
        "cache_dir": tmp_path,
    }

    def draw(labels: torch.Tensor) -> torch.Tensor:
        raise AssertionError("it was refused before anything was drawn")

    with pytest.raises(UserError, match="classification_accuracy needs at least two classes"):
        evaluate(
            draw, config=settings(metrics=("frechet_distance", "classification_accuracy")), **common
        )


def test_classes_match_by_name_in_any_order_and_unicode_form(
    score: Callable[..., EvaluationRecord], train_digits: ImageSet, test_digits: ImageSet
) -> None:
    names = [f"é{index}" for index in range(10)]
    apart = [unicodedata.normalize("NFD", name) for name in names]
    assert names != apart
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    metrics = ("class_fidelity", "intra_class_distance")
    plain = score(train_digits, metrics=metrics)
    found = score(
        with_names(train_digits, apart, order),
        replace(test_digits, class_names=tuple(names)),
        metrics=metrics,
    )
    assert found.values == pytest.approx(plain.values, rel=1e-9)
    assert found.values["class_accuracy"] > 0.85
    assert found.class_fidelity is not None
    assert list(found.class_fidelity["class_accuracy"]) == names


def test_training_images_match_by_name_too(
    train_digits: ImageSet,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Settings,
    tmp_path: Path,
) -> None:
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    shuffled = with_names(train_digits, list(train_digits.class_names), order)
    values = [
        evaluate_images(
            train_digits,
            reference=test_digits,
            probe_train=training,
            config=settings(metrics=("class_fidelity",)),
            extractor=pixels,
            cache_dir=tmp_path,
        ).values
        for training in (train_digits, shuffled)
    ]
    assert values[1] == pytest.approx(values[0], rel=1e-9)
    assert values[0]["class_accuracy"] > 0.95


def test_names_that_unicode_makes_one_are_refused(
    train_digits: ImageSet, test_digits: ImageSet
) -> None:
    names = ["caf\u00e9", "cafe\u0301", *map(str, range(8))]
    with pytest.raises(UserError, match="generated has two classes called café"):
        matched_labels(with_names(train_digits, names), test_digits)


def test_unknown_classes_are_refused_by_name(
    score: Callable[..., EvaluationRecord], train_digits: ImageSet
) -> None:
    names = [*(f"digit {index}" for index in range(8)), "zebra", "lynx"]
    with pytest.raises(UserError, match=r"classes zebra, lynx, but digits has only digit 0"):
        score(with_names(train_digits, names), metrics=("class_fidelity",))
    # The same names do no harm where there is nothing to match them with.
    assert score(with_names(train_digits, names)).values["frechet_distance"] >= 0
    extra = replace(train_digits, class_names=(*train_digits.class_names, "empty"))
    assert score(extra, metrics=("class_fidelity",)).values["class_accuracy"] > 0.85


def test_absent_classes_score_zero_and_are_named(
    score: Callable[..., EvaluationRecord], train_digits: ImageSet, test_digits: ImageSet
) -> None:
    part = without(train_digits, 4, 7)
    metrics = ("class_fidelity", "classification_accuracy", "intra_class_distance")
    record = score(part, metrics=metrics, classifier=QUICK)
    assert record.class_fidelity is not None
    per_class = record.class_fidelity["class_accuracy"]
    assert (per_class["digit 4"], per_class["digit 7"]) == (0, 0)
    missing = np.isin(test_digits.labels, [4, 7]).mean()
    right = np.trace(np.array(record.class_fidelity["confusion"])) / len(part.labels)
    assert record.values["class_accuracy"] == pytest.approx(right * (1 - missing))
    assert record.class_fidelity["accuracy"] == record.values["class_accuracy"]
    assert right > 0.85
    assert record.details["absent_classes"] == ["digit 4", "digit 7"]
    (line,) = [line for line in record.warnings if "holds no images of" in line]
    assert "generated holds no images of digit 4, digit 7, 2 of the 10 classes of digits" in line
    assert "class_accuracy, relabelled_class_accuracy, cas_real_to_generated" in line
    # A distance to nothing does not exist: no mean that leaves two classes out.
    assert "intra_class_distance_mean" not in record.values
    assert record.details["intra_class_distance"]["per_class"]["digit 4"] is None
    assert record.details["intra_class_distance"]["per_class"]["digit 5"] > 0
    assert any("on a side of digit 4, digit 7." in line for line in record.warnings)


def test_classes_that_too_few_drawn_images_left_out_are_named_not_scored(
    train_digits: ImageSet,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Settings,
    tmp_path: Path,
) -> None:
    def draw(labels: torch.Tensor) -> torch.Tensor:
        rows = [int(np.flatnonzero(train_digits.labels == label)[0]) for label in labels]
        return torch.from_numpy(train_digits.images[rows]).permute(0, 3, 1, 2)

    record = evaluate(
        draw,
        reference=test_digits,
        probe_train=train_digits,
        config=settings(num_images=6, metrics=("class_fidelity",)),
        extractor=pixels,
        cache_dir=tmp_path,
    )
    absent = record.details["absent_classes"]
    assert len(absent) == 4
    assert record.values["class_accuracy"] == 1
    (line,) = [line for line in record.warnings if "too few to draw all classes" in line]
    assert all(name in line for name in absent)


def test_labels_without_a_name_are_refused(
    score: Callable[..., EvaluationRecord], train_digits: ImageSet
) -> None:
    wrong = replace(train_digits, labels=train_digits.labels + 1, name="wrong")
    with pytest.raises(UserError, match="wrong holds labels from 1 to 10, but names 10 classes"):
        score(wrong, metrics=("class_fidelity",))
    with pytest.raises(UserError, match="holds 1200 images and 5 labels"):
        score(replace(train_digits, labels=train_digits.labels[:5]), metrics=("class_fidelity",))


def test_a_set_is_never_nameless(
    score: Callable[..., EvaluationRecord], train_digits: ImageSet, test_digits: ImageSet
) -> None:
    record = score(replace(train_digits, name=""), replace(test_digits, name=" "))
    assert record.context["generated"] == "unnamed images"
    assert record.protocol["data"]["name"] == "unnamed images"
