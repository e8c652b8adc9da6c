from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from contragan.evaluation.evaluator import training_facts
from contragan.evaluation.protocol import IndexedDraw, evaluate, evaluate_images
from contragan.evaluation.record import EvaluationRecord
from contragan.evaluation.reference import ImageSet
from contragan.features.extractor import FeatureExtractor
from contragan.metrics.advice import Training, advice
from contragan.metrics.findings import Kind
from contragan.models.heads.contrastive import ContrastiveConfig
from contragan.recipes.catalog import recipe_names
from contragan.recipes.schema import load_recipe

LABEL_FAULTS: tuple[Kind, ...] = ("permuted", "merged", "lost", "confused")


def _advice(recipe: str, kind: Any, *changes: str, done: float = 1.0) -> str:
    found = load_recipe(recipe, list(changes))
    facts = training_facts(found, int(found.training.total_iterations * done))
    (text,) = advice({kind}, facts)
    return text


def test_no_run_is_told_to_do_what_it_does() -> None:
    """A run of Eq. 7 was told to switch to Eq. 7."""
    for name in recipe_names():
        recipe = load_recipe(name)
        facts = training_facts(recipe, recipe.training.total_iterations)
        conditioning = recipe.conditioning
        for kind in LABEL_FAULTS:
            (text,) = advice({kind}, facts)
            eq7 = isinstance(conditioning, ContrastiveConfig) and (
                not conditioning.positives_in_numerator
            )
            if eq7:
                assert "positives_in_numerator" not in text, name
            assert f"use conditioning.kind: {conditioning.kind}" not in text.lower(), name


@pytest.mark.parametrize("kind", LABEL_FAULTS)
def test_advice_depends_on_the_recipe(kind: Kind) -> None:
    eq8 = _advice("digits/contragan", kind)
    assert "conditioning.positives_in_numerator: false (Eq. 7)" in eq8
    assert "conditioning.temperature: 0.3" in eq8
    assert _advice("cifar10/contragan", kind) == eq8
    assert "(contrastive, Eq. 7) does tie images" in _advice("digits/contragan-eq7-aps", kind)
    assert "Eq. 8" not in _advice("digits/contragan-proxy", kind)  # which has the remedy
    assert "This loss (contrastive, Eq. 7) does tie" in _advice("digits/contragan-eq7", kind)
    assert "This loss (projection) does tie" in _advice("digits/biggan", kind)
    for untied in ("nt-xent", "pair", "triplet", "n-pair"):
        assert "does not tie an image to its class" in _advice(f"digits/{untied}", kind)
    assert "mirrored image" in _advice("digits/crgan", kind)
    assert "mirrored image" in _advice("digits/icrgan", kind)


def test_a_collapse_comes_before_labels() -> None:
    facts = training_facts(load_recipe("digits/contragan"), 1200)
    (text,) = advice({"collapsed", "permuted"}, facts)
    assert "lower learning rates" in text
    assert "Eq. 7" not in text
    assert advice((), facts) == []
    assert advice({"missing"}, facts)[0].startswith("Train longer")


def test_advice_on_classes_that_vary_little() -> None:
    cold = ["conditioning.proxy_classification.temperature=0.1"]
    assert "proxy_classification.temperature: 1.0" in _advice(
        "cifar10/contragan-proxy", "narrow", *cold
    )
    assert "other checkpoints" in _advice("cifar10/contragan-proxy", "narrow")
    assert "conditioning.kind: projection or d2d_ce" in _advice("cifar10/acgan", "narrow")
    assert "other checkpoints" in _advice("cifar10/biggan", "narrow")
    assert "Less than half" in _advice("cifar10/biggan", "narrow", done=0.2)
    assert "truncation" in advice({"narrow"}, None)[0]
    facts = training_facts(load_recipe("digits/contragan"), 1200)
    assert advice({"narrow", "permuted"}, facts) == advice({"permuted"}, facts)


def test_early_in_training_there_is_time_to_wait() -> None:
    early = _advice("digits/contragan-eq7", "confused", done=0.4)
    assert "Less than half of the training is done" in early
    assert "Less than half" not in _advice("digits/contragan-eq7", "confused", done=0.5)


def test_a_short_training_is_not_judged() -> None:
    """60 of 60 iterations on digits are one pass: nothing is wrong with its learning rates."""
    recipe = load_recipe("digits/contragan-eq7", ["training.total_iterations=60"])
    (text,) = advice({"collapsed", "merged"}, training_facts(recipe, 60, 1438))
    assert "fewer than 10 times" in text
    assert "learning rates" not in text
    (text,) = advice({"collapsed"}, training_facts(recipe, 60, 192))
    assert "learning rates" in text


def test_of_files_nothing_is_presumed() -> None:
    for kind in LABEL_FAULTS:
        (text,) = advice({kind}, None)
        assert "mean the same classes by the same labels" in text
        assert "conditioning" not in text
    (text,) = advice({"collapsed"}, None)
    assert "Look at the images" in text


def _facts(**changes: Any) -> Training:
    base: dict[str, Any] = {
        "conditional": True,
        "conditioning": "contrastive",
        "eq8": True,
        "mirrors": False,
        "iteration": 100,
        "total_iterations": 100,
    }
    return Training(**(base | changes))


class TestWholeEvaluations:
    """From images to warnings."""

    @pytest.fixture
    def evaluated(
        self,
        train_digits: ImageSet,
        test_digits: ImageSet,
        pixels: FeatureExtractor,
        settings: Any,
        tmp_path: Path,
    ) -> Any:
        def run(shows: Any, made_by: Training | None, **changes: Any) -> EvaluationRecord:
            def draw(labels: Tensor, indices: Tensor) -> Tensor:
                rows = [
                    shows(int(label), np.random.default_rng(int(index)))
                    for label, index in zip(labels, indices, strict=True)
                ]
                return torch.from_numpy(train_digits.images[rows].transpose(0, 3, 1, 2))

            config = settings(metrics=("class_fidelity",), labels="uniform", **changes)
            return evaluate(
                IndexedDraw(draw),
                reference=test_digits,
                probe_train=train_digits,
                config=config,
                extractor=pixels,
                cache_dir=tmp_path,
                made_by=made_by,
            )

        def rows(label: int) -> np.ndarray:
            return np.flatnonzero(train_digits.labels == label)

        self.rows = rows
        return run

    def test_healthy(self, evaluated: Any) -> None:
        record = evaluated(lambda label, rng: rng.choice(self.rows(label)), _facts())
        assert record.warnings == ()
        counted = record.details["distinct_images"]
        assert counted["overall"]["images"] == 400
        assert (counted["collapsed"], counted["collapsed_classes"]) == (False, [])

    def test_collapsed(self, evaluated: Any) -> None:
        record = evaluated(lambda label, rng: self.rows(label)[0], _facts())
        first, remedy = record.warnings
        assert first.startswith(
            "The generator has collapsed: among 400 images 10 are distinct, among"
        )
        assert "digit 9 (1 of 40, real 40)" in first
        assert "lower learning rates" in remedy

    def test_collapsed_comes_before_merged(self, evaluated: Any) -> None:
        record = evaluated(lambda label, rng: self.rows(3)[0], _facts())
        assert [line.split()[0] for line in record.warnings] == ["The", "Classes", "A"]
        assert "has collapsed: among 400 images 1 are" in record.warnings[0]
        assert "digit 9 and digit 3 all show" not in record.warnings[1]
        assert "all show digit 3 (100%" in record.warnings[1]

    def test_one_class_for_most_is_a_collapse(self, evaluated: Any) -> None:
        record = evaluated(lambda label, rng: rng.choice(self.rows(3)), _facts(eq8=False))
        merged, remedy = record.warnings[-2:]
        assert merged.startswith("Classes are merged: digit 0, digit 1, ")
        assert "lower learning rates" in remedy

    def test_merged(self, evaluated: Any) -> None:
        def shows(label: int, rng: np.random.Generator) -> int:
            return int(rng.choice(self.rows(8 if label in {3, 5} else label)))

        first, remedy = evaluated(shows, _facts(eq8=False)).warnings
        assert first.startswith(
            "Classes are merged: digit 3, digit 5 and digit 8 all show digit 8 ("
        )
        assert "This loss (contrastive, Eq. 7) does tie" in remedy

    def test_unconditional(self, evaluated: Any) -> None:
        facts = _facts(conditional=False, conditioning="unconditional", eq8=False)

        def anything(label: int, rng: np.random.Generator) -> int:
            return int(rng.integers(1200))

        record = evaluated(anything, facts)
        assert record.warnings == ()
        assert record.class_fidelity["conditional"] is False
        assert record.values["class_accuracy"] == pytest.approx(0.1, abs=0.05)

        def two(label: int, rng: np.random.Generator) -> int:
            return int(self.rows(3 if rng.random() < 0.5 else 8)[0])

        collapsed, missing, remedy = evaluated(two, facts).warnings
        assert "has collapsed: among 400 images 2 are distinct" in collapsed
        assert "8 of 10 classes are hardly ever drawn: digit 0 (0.0% of the images" in missing
        assert "lower learning rates" in remedy


def test_images_without_labels_are_counted_too(
    train_digits: ImageSet,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Any,
    tmp_path: Path,
) -> None:
    def flat(images: np.ndarray, name: str) -> ImageSet:
        return ImageSet(images, np.zeros(len(images), np.int64), ("image",), name, name, "given")

    def run(images: np.ndarray) -> EvaluationRecord:
        return evaluate_images(
            flat(images, f"shown{images.sum()}"),
            reference=flat(test_digits.images, "real"),
            config=settings(metrics=("distinct_images",)),
            extractor=pixels,
            cache_dir=tmp_path,
        )

    healthy = run(train_digits.images)
    assert healthy.warnings == ()
    assert healthy.values["distinct_share"] > 0.98
    assert healthy.values["real_distinct_share"] > 0.98
    two = run(train_digits.images[np.arange(1200) % 2])
    assert two.values["distinct_share"] == pytest.approx(2 / 597)
    first, remedy = two.warnings
    assert first.startswith(
        "The generator has collapsed: among 597 images 2 are distinct, among as many real ones 59"
    )
    assert "By class" not in first
    assert "Look at the images" in remedy
