"""Pictures for people: which image stands where, and that a file is whole or not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from contragan.core.pictures import labelled_grid, paired_rows, save_image, to_pil

GAP = 2


def flat(values: list[int], side: int = 24, channels: int = 3) -> Tensor:
    """Images of one shade each."""
    shades = torch.tensor(values, dtype=torch.uint8)
    return shades[:, None, None, None].expand(-1, channels, side, side)


def cells(picture: Image.Image, rows: int, columns: int, cell: int = 48) -> np.ndarray:
    """The shade in the middle of each cell of a grid, counted from the right margin."""
    pixels = np.asarray(picture)[..., 0]
    across = [pixels.shape[1] - (columns - x) * (cell + GAP) + cell // 2 for x in range(columns)]
    down = [GAP + y * (cell + GAP) + cell // 2 for y in range(rows)]
    return pixels[np.ix_(down, across)]


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_the_tensor(channels: int) -> None:
    image = torch.randint(0, 256, (channels, 3, 5), dtype=torch.uint8)
    shown = np.asarray(to_pil(image))
    expected = image[0] if channels == 1 else image.permute(1, 2, 0)
    np.testing.assert_array_equal(shown, expected.numpy())


def test_every_class_has_its_row_whatever_the_order() -> None:
    images = flat([10, 20, 30, 40, 50])
    grid = labelled_grid(images, torch.tensor([2, 0, 2, 0, 2]), ("ant", "bee", "cow"))
    expected = [[20, 40, 255], [10, 30, 50]]  # no row for "bee"; white where a row is shorter
    np.testing.assert_array_equal(cells(grid, 2, 3), expected)


def test_a_large_class_goes_on_in_further_rows() -> None:
    grid = labelled_grid(flat(list(range(18))), torch.zeros(18, dtype=torch.long), ("ant",))
    expected = np.full((2, 16), 255)
    expected[0], expected[1, :2] = range(16), (16, 17)
    np.testing.assert_array_equal(cells(grid, 2, 16), expected)


@pytest.mark.parametrize(("side", "cell"), [(8, 48), (20, 40), (64, 64)])
def test_images_grow_by_whole_factors(side: int, cell: int) -> None:
    image = torch.randint(0, 256, (1, 3, side, side), dtype=torch.uint8)
    grid = np.asarray(labelled_grid(image, torch.tensor([0]), ("ant",)))
    assert grid.shape[0] == cell + 2 * GAP
    shown = grid[GAP : GAP + cell, -(cell + GAP) : -GAP]
    expected = image[0].permute(1, 2, 0).numpy().repeat(cell // side, 0).repeat(cell // side, 1)
    np.testing.assert_array_equal(shown, expected)


def test_counterparts_stand_below() -> None:
    top, below = flat([10, 20, 30], 64).numpy(), flat([110, 120, 130], 64).numpy()
    pixels = np.asarray(paired_rows(top, below, per_row=2))[..., 0]
    across, gap = [4 + 32, 4 + 68 + 32], 4
    second = 2 * 64 + 3 * gap
    down = [gap + 32, gap + 64 + 32, gap + second + 32, gap + second + 64 + 32]
    expected = [[10, 20], [110, 120], [30, 255], [130, 255]]
    np.testing.assert_array_equal(pixels[np.ix_(down, across)], expected)


def test_a_picture_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "grid.png"
    save_image(to_pil(flat([7], 4)[0]), path)
    assert np.asarray(Image.open(path)).tolist() == [[[7] * 3] * 4] * 4

    def breaks(picture: Image.Image, file: object, format: str) -> None:
        raise ValueError("half-way")

    monkeypatch.setattr(Image.Image, "save", breaks)
    with pytest.raises(ValueError, match="half-way"):
        save_image(to_pil(flat([9], 4)[0]), path)
    assert np.asarray(Image.open(path)).max() == 7
    assert [file.name for file in tmp_path.iterdir()] == ["grid.png"]
