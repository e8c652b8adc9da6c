"""What is said of counts, sizes and labels, number by number."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from PIL import Image

from contragan.inspection import Check, Finding, faults, shapes, sheet
from contragan.inspection.findings import ClassCount
from contragan.inspection.found import Found, find
from contragan.inspection.images import SKETCH, Facts, Images
from contragan.inspection.labels import _agreed
from contragan.inspection.report import lines


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {one.name: one for one in findings}


def classes_found(train: list[int], test: list[int]) -> dict[str, Finding]:
    names = tuple("abcdef"[: len(train)])
    found = cast("Found", SimpleNamespace(class_names=names, held_out=True))
    return by_name(faults.class_findings(found, np.array(train), np.array(test)))


def test_classes_are_compared_by_all_their_images() -> None:
    found = classes_found([450, 40, 90, 8], [50, 9, 10, 1])
    assert found["imbalance"].text.startswith("a has 56 times as many images as d (500 and 9).")
    assert found["tiny_classes"].items == ({"class": "d", "images": 9},)
    assert found["small_classes"].items == ({"class": "b", "images": 49},)
    assert found["few_tested"].items == ("b", "d")
    # Just enough of everything.
    assert classes_found([489, 40], [10, 10]).keys() == set()
    assert classes_found([490, 40], [10, 10]).keys() == {"imbalance"}


def sized(*sizes: tuple[int, int]) -> Images:
    count = len(sizes)
    return Images(
        rows=np.arange(count),
        facts=[Facts(*size, "colour", "PNG", bytes([k])) for k, size in enumerate(sizes)],
        sketches=np.zeros((count, SKETCH**2), np.uint8),
        features=np.zeros((count, 4), np.float32),
    )


def test_the_shorter_side_decides_what_images_are_large_enough_for() -> None:
    images = sized((64, 64), (100, 64), (64, 128), (32, 200))
    told = dict(shapes.summary(images))
    assert told["Large enough"] == "100% for 32 px, 75% for 64 px, 0% for 128 px"
    assert told["Sizes"].startswith("64 x 64 to 64 x 128 pixels; the shorter side is typically 64")
    assert told["Shapes"] == "square 25%, landscape 25%, portrait 50%"
    facts = shapes.facts(images)
    assert facts["cropped_share"] == {"median": 0.43, "greatest": 0.84}
    (cropped,) = shapes.crop_finding(
        cast("Found", SimpleNamespace(name=lambda row: f"{row}.png")), images
    )
    assert cropped.examples == ("3.png loses 84%", "2.png loses 50%", "1.png loses 36%")


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0%"), (1e-4, "under 1%"), (0.5, "50%"), (0.9999, "99%"), (1, "100%")],
)
def test_a_few_are_never_none_and_most_are_never_all(share: float, said: str) -> None:
    assert shapes.percent(share) == said


def test_of_many_classes_the_largest_and_the_smallest_are_listed() -> None:
    classes = tuple(ClassCount(f"c{k:02}", 10 * k + 10, 1, None) for k in range(27))
    check = Check("p", "class folders", True, classes, (("Sizes", "x"),), {}, (), 0.0)
    said = list(lines(check))
    rows = [line.split()[0] for line in said if line.startswith("  c") and "class" not in line]
    assert rows == [f"c{k:02}" for k in [*range(26, 16, -1), *range(9, -1, -1)]]
    assert "  ... 7 classes between these ..." in said
    assert "3,807 images in 27 classes: 3,780 for training, 27 held out for testing" in said


def test_of_many_classes_the_sheet_shows_the_smallest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, count in {"a": 2, "b": 5, "c": 3, "d": 4}.items():
        (tmp_path / name).mkdir()
        for index in range(count):
            Image.new("RGB", (8, 8), (40 * index, 0, 0)).save(tmp_path / name / f"{index}.png")
    monkeypatch.setattr(sheet, "MOST_CLASSES", 2)
    rows = sheet.class_rows(find(tmp_path), set())
    assert [name for name, _ in rows] == ["a (2)", "c (3)"]


def test_neighbours_must_agree_and_copies_have_no_say() -> None:
    """Two clusters; images 0 and 1 lie in the second, 2 in the first, and all are called 0."""
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 20)
    centres = np.array([[6.0, 0, 0], [0, 6.0, 0]])[labels]
    centres[:2] = centres[-1]
    features = (centres + random.normal(0, 0.3, (40, 3))).astype(np.float32)
    groups = np.arange(40)
    asked, likely = np.array([0, 1, 2]), np.array([1, 1, 1])
    assert _agreed(features, labels, groups, asked, likely).tolist() == [True, True, False]
    groups[20:] = groups[1]  # all that speaks for 1 is a copy of image 1
    assert _agreed(features, labels, groups, asked, likely).tolist() == [True, False, False]
