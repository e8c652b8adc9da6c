"""Written samples: every image under its own class, in order, and all of them or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor

from contragan.core.errors import UserError
from contragan.runs import export
from contragan.runs.model import Model

NAMES = ("ant", "a/b", "cow")


class Shades:
    """In place of a trained generator: image i of class c has the shade 10 i + c."""

    class_names = row_names = NAMES
    iteration = 7
    image_bytes = 3 * 4 * 4

    def __init__(self, breaks_after: int | None = None) -> None:
        self.breaks_after = breaks_after

    def resolve(self, classes: Sequence[str] | None) -> tuple[list[int], list[str]]:
        if classes is None:
            return list(range(len(NAMES))), []
        return [NAMES.index(name) for name in classes], ["a remark"]

    def labels(self, chosen: list[int], count: int) -> Tensor:
        return torch.tensor([chosen[index % len(chosen)] for index in range(count)])

    def batches(self, labels: Tensor, *, seed: int, truncation: float | None) -> Iterator[Tensor]:
        shades = (10 * torch.arange(len(labels)) + labels).to(torch.uint8)
        for number, part in enumerate(shades.split(2)):
            if number == self.breaks_after:
                raise RuntimeError("out of memory")
            yield part[:, None, None, None].expand(-1, 3, 4, 4)


def write(
    out: Path, num: int | None, classes: Sequence[str] | None = None, model: Shades | None = None
) -> str:
    return export.export_samples(
        cast(Model, model or Shades()),
        out,
        classes=classes,
        num=num,
        seed=0,
        truncation=None,
        console=Console(quiet=True),
    )


def test_a_folder_holds_each_image_in_the_folder_of_its_class(tmp_path: Path) -> None:
    said = write(tmp_path / "out", 7)
    assert said == f"7 images of iteration 7 written to {tmp_path / 'out'}"
    found = {}
    for path in (tmp_path / "out").rglob("*.png"):
        pixels = np.asarray(Image.open(path))
        assert pixels.shape == (4, 4, 3)
        assert pixels.min() == pixels.max()
        found[path.relative_to(tmp_path / "out").as_posix()] = int(pixels.max())
    names = ("ant", "a_b", "cow")  # a class's name makes one folder, not two
    assert found == {f"{names[i % 3]}/{i:06d}.png": 10 * i + i % 3 for i in range(7)}


def test_arrays_hold_images_labels_and_names_in_order(tmp_path: Path) -> None:
    write(tmp_path / "out.npz", 5, ["cow", "ant"])
    with np.load(tmp_path / "out.npz") as found:
        assert set(found) == {"images", "labels", "class_names"}
        assert found["images"].dtype == np.uint8
        assert found["images"].shape == (5, 4, 4, 3)
        np.testing.assert_array_equal(found["labels"], [2, 0, 2, 0, 2])
        np.testing.assert_array_equal(found["images"][:, 1, 2, 0], [2, 10, 22, 30, 42])
        np.testing.assert_array_equal(found["class_names"], NAMES)


def test_a_grid_shows_ten_of_each_class_unless_told(tmp_path: Path) -> None:
    assert write(tmp_path / "grid.png", None).startswith("30 images")
    grid = np.asarray(Image.open(tmp_path / "grid.png"))[..., 0]
    last = grid[2 + 2 * 50 + 24]  # the middle of the third row
    assert [int(last[grid.shape[1] - (10 - x) * 50 + 24]) for x in range(3)] == [22, 52, 82]


@pytest.mark.parametrize("name", ["out", "out.npz", "out.png"])
def test_nothing_stays_of_a_failure_half_way(tmp_path: Path, name: str) -> None:
    with pytest.raises(RuntimeError, match="out of memory"):
        write(tmp_path / name, 9, model=Shades(breaks_after=2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "num", "message"),
    [
        ("out.bmp", 3, r"out\.bmp: write \.png, \.jpg, \.jpeg, \.svg, \.pdf for a grid"),
        ("out.png", export.MOST_IN_GRID + 1, "too many for one grid"),
        ("taken", 3, "is there already and not empty"),
        ("out", 10**15, "take at least .* GB free: ask for fewer"),
        ("out.npz", 10**15, "take at least .* GB free: ask for fewer"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_first_image(
    tmp_path: Path, name: str, num: int, message: str
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "photo.png").write_bytes(b"mine")
    with pytest.raises(UserError, match=message):
        write(tmp_path / name, num)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["photo.png", "taken"]


def test_a_grid_has_equally_many_of_each_class(tmp_path: Path) -> None:
    recorded = Console(record=True, width=200)
    out = tmp_path / "grid.png"
    said = export.export_samples(
        cast(Model, Shades()),
        out,
        classes=None,
        num=7,
        seed=0,
        truncation=None,
        console=recorded,
        columns=3,
        scale=12,
    )
    note = "note: 9 images in place of 7, so that the grid has 3 of each of 3 classes"
    assert note in recorded.export_text()
    assert said.startswith("9 images of iteration 7")
    with Image.open(out) as grid:
        width, height = grid.size
    assert height == 3 * 50 + 2
    assert width > 3 * 50
    # A row of a grid is as wide as asked for.
    assert write(tmp_path / "plain.jpg", None).startswith("30 images")


@pytest.mark.parametrize("option", ["columns", "scale"])
def test_what_only_a_grid_has_is_refused_for_files(tmp_path: Path, option: str) -> None:
    settings: Any = {option: 2}
    with pytest.raises(UserError, match=f"--{option} is for a grid: leave it out, or"):
        export.export_samples(
            cast(Model, Shades()),
            tmp_path / "arrays.npz",
            classes=None,
            num=3,
            seed=0,
            truncation=None,
            console=Console(quiet=True),
            **settings,
        )
    assert not list(tmp_path.iterdir())
