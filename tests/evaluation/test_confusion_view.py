"""The confusion matrix: rows and columns named, legible at 80 columns."""

from __future__ import annotations

import pytest

from contragan.evaluation.confusion_view import MOST_CLASSES, column_heads, confusion_lines
from contragan.evaluation.record import EvaluationRecord, to_table


def record(
    names: list[str], confusion: list[list[int]], conditional: bool | None = True
) -> EvaluationRecord:
    accuracy = {
        name: row[index] / sum(row) if sum(row) else None
        for index, (name, row) in enumerate(zip(names, confusion, strict=True))
    }
    fidelity = {"conditional": conditional, "class_accuracy": accuracy, "confusion": confusion}
    details = {"real_images_per_class": dict.fromkeys(names, 1200)}
    protocol = {
        "batch_norm": "running",
        "labels": "reference",
        "data": {"name": "pets", "split": "test"},
        "extractor": {"extractor": "pixels"},
    }
    counts = {"generated": 10, "reference": 2400}
    return EvaluationRecord({}, fidelity, protocol, counts, 0, {}, {}, (), 1.0, details)


def test_rows_are_percent_of_the_images_asked_for() -> None:
    lines = confusion_lines(record(["cat", "dog"], [[5, 1], [0, 4]]))
    assert lines == [
        "what a linear probe sees in the images asked for as each class, in percent:",
        "",
        "asked for images  real          cat          dog",
        "cat            6 1,200           83           17",
        "dog            4 1,200            .          100",
    ]


@pytest.mark.parametrize("names", [["airplane", "automobile", "bird"] * 3, ["class"] * 20])
def test_the_matrix_fits_80_columns(names: list[str]) -> None:
    names = [f"{name} {index:02d}" for index, name in enumerate(names)]
    size = len(names)
    confusion = [[10_000 * (row == column) for column in range(size)] for row in range(size)]
    lines = confusion_lines(record(names, confusion))
    assert max(map(len, lines)) <= 80
    for name in names:
        assert any(name in line for line in lines)
    assert sum(line.split().count("100") for line in lines) == size


def test_a_class_without_images_has_an_empty_row() -> None:
    assert confusion_lines(record(["cat", "dog"], [[0, 0], [0, 4]]))[3].split() == [
        *["cat", "0", "1,200"],
        *[".", "."],
    ]


def test_where_there_is_no_matrix() -> None:
    many = [str(index) for index in range(MOST_CLASSES + 1)]
    assert confusion_lines(record(many, [[1] * len(many)] * len(many))) == []
    assert confusion_lines(record(["cat", "dog"], [[1, 0], [0, 1]], conditional=False)) == []


@pytest.mark.parametrize(
    ("names", "width", "expected"),
    [
        (["airplane", "automobile"], 4, (False, ["airp", "auto"])),
        (["class_1", "class_2"], 4, (True, ["1", "2"])),
    ],
)
def test_heads_of_columns(names: list[str], width: int, expected: tuple[bool, list[str]]) -> None:
    assert column_heads(names, width) == expected


def test_accuracies_stand_beside_their_numbers_of_images() -> None:
    def shown(*rows: list[int]) -> str:
        table = to_table(record(["cat", "dog"], list(rows)))
        return str(list(table.columns[1].cells)[-1])

    assert shown([3, 3], [1, 0]) == "cat 0.50 (6 images), dog 0.00 (1 image)"
    assert shown([3, 3], [3, 3]) == "cat 0.50, dog 0.50 (6 images of each)"
