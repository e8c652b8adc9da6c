"""An evaluation's lines for the terminal."""

from typing import Any

import pytest

from contragan.evaluation.record import accuracy_by_class


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
