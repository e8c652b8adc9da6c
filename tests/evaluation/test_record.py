"""An evaluation's lines for the terminal, and records that are not whole."""

from typing import Any

import pytest

from contragan.evaluation.record import EvaluationRecord, accuracy_by_class


def fidelity(real: dict[str, float | None]) -> dict[str, Any]:
    return {
        "class_accuracy": {"ant": 0.5, "bee": 1.0, "cow": 0.0},
        "real_class_accuracy": real,
        "confusion": [[2, 2, 0], [0, 4, 0], [1, 0, 0]],
    }


@pytest.mark.parametrize(
    ("real", "said"),
    [
        (
            {"ant": 1.0, "bee": 0.9, "cow": 0.8},
            "ant 0.50 (4 images), bee 1.00 (4 images), cow 0.00 (1 image)",
        ),
        (
            {"ant": 1.0, "bee": 0.9, "cow": None},
            "ant 0.50, bee 1.00 (4 images of each); too few real images to judge cow",
        ),
        (
            {"ant": None, "bee": None, "cow": None},  # there were none to try the classifier on
            "ant 0.50 (4 images), bee 1.00 (4 images), cow 0.00 (1 image)",
        ),
        ({}, "ant 0.50 (4 images), bee 1.00 (4 images), cow 0.00 (1 image)"),
    ],
)
def test_a_class_that_cannot_be_judged_is_named_apart(
    real: dict[str, float | None], said: str
) -> None:
    assert accuracy_by_class(fidelity(real)) == said


def record(**changes: object) -> dict[str, Any]:
    known = {
        "values": {"frechet_distance": 1.0},
        "class_fidelity": {"permuted": True, "permutation": {"ant": "bee", "bee": "ant"}},
        "protocol": {"extractor": {"extractor": "pixels", "dim": 8}},
        "counts": {"generated": 8},
        "seed": 0,
        "context": {},
        "versions": {},
        "warnings": ["one"],
        "wall_seconds": 1.0,
    }
    return {**known, **changes}


def test_a_record_comes_back_as_it_was_written() -> None:
    found = EvaluationRecord.from_dict(record(of_a_later_version=3))
    assert EvaluationRecord.from_dict(found.to_dict()) == found
    assert (found.warnings, found.details) == (("one",), {})


@pytest.mark.parametrize(
    "changes",
    [
        {"values": {"frechet_distance": None}},
        {"values": {"frechet_distance": "text"}},
        {"class_fidelity": "text"},
        {"class_fidelity": {"permuted": True}},
        {"class_fidelity": {"merged": [{"classes": ["ant", "bee"]}]}},
        {"class_fidelity": {"lost": True}},
        {"protocol": {}},
        {"protocol": {"extractor": {"extractor": "pixels", "dim": "text"}}},
        {"warnings": [1]},
        {"context": None},
        {"details": []},
    ],
)
def test_what_is_not_whole_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        EvaluationRecord.from_dict(record(**changes))
