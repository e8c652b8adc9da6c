"""Pictures for people: which image stands where, and that a file is whole or not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from contragan.core import pair_pictures
from contragan.core.errors import UserError
from contragan.core.pair_pictures import ClosestPairs, draw_pairs
from contragan.core.pictures import draw_grid, labelled_grid, save_image, to_pil

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


@pytest.mark.parametrize(
    ("columns", "rows"),
    [(None, [range(9), range(9, 18)]), (7, [range(7), range(7, 14), range(14, 18)])],
)
def test_a_large_class_goes_on_in_further_rows(columns: int | None, rows: list[range]) -> None:
    labels = torch.zeros(18, dtype=torch.long)
    grid = labelled_grid(flat(list(range(18))), labels, ("ant",), columns=columns)
    expected = np.full((len(rows), len(rows[0])), 255)
    for row, values in zip(expected, rows, strict=True):
        row[: len(values)] = values
    np.testing.assert_array_equal(cells(grid, *expected.shape), expected)


def test_small_cells_leave_room_for_the_names() -> None:
    picture = draw_grid(flat([10, 20], 8), torch.tensor([0, 1]), ("ant", "bee"), scale=1)
    first, second = picture.texts
    assert second.y - first.y >= first.size
    assert picture.pixels.size[1] >= second.y + second.size / 2


def test_a_grid_too_large_to_draw_is_refused() -> None:
    with pytest.raises(UserError, match=r"more than 30,000 a side: draw fewer images, or"):
        labelled_grid(flat([1, 2], 24), torch.tensor([0, 1]), ("ant", "bee"), scale=1000)


@pytest.mark.parametrize(("side", "cell"), [(8, 48), (20, 40), (64, 64)])
def test_images_grow_by_whole_factors(side: int, cell: int) -> None:
    image = torch.randint(0, 256, (1, 3, side, side), dtype=torch.uint8)
    grid = np.asarray(labelled_grid(image, torch.tensor([0]), ("ant",)))
    assert grid.shape[0] == cell + 2 * GAP
    shown = grid[GAP : GAP + cell, -(cell + GAP) : -GAP]
    expected = image[0].permute(1, 2, 0).numpy().repeat(cell // side, 0).repeat(cell // side, 1)
    np.testing.assert_array_equal(shown, expected)


def shades(picture: Image.Image, color: int) -> list[tuple[int, int]]:
    """Where images of one shade begin, in the order of reading."""
    pixels = np.asarray(picture)
    found = (pixels == color).all(2)
    corners = found & ~np.roll(found, 1, 0) & ~np.roll(found, 1, 1)
    return [(int(y), int(x)) for y, x in np.argwhere(corners)]


def test_equal_training_images_are_shown_once_beside_all_that_are_near() -> None:
    generated = flat([11, 12, 13, 14], 96).numpy()
    training = flat([200, 210, 200, 200], 96).numpy()
    pairs = ClosestPairs(
        generated,
        training,
        np.array([0.25, 1.5, 0, 3], dtype=np.float32),
        ("ant", "bee", "ant", "cow"),
        ("ant", "bee", "ant", "ant"),
    )
    picture = draw_pairs(pairs)
    ((top, left),) = shades(picture.pixels, 200)
    ((_, other),) = shades(picture.pixels, 210)
    step = 96 + pair_pictures.GAP
    for position, color in enumerate((11, 13, 14), 1):
        assert shades(picture.pixels, color) == [(top, left + position * step)]
    assert shades(picture.pixels, 12) == [(top, other + step)]
    said = [text.text for text in picture.texts[2:]]
    first = ["ant", "training", "ant", "0.25", "ant", "0", "cow", "3"]
    assert said == [*first, "bee", "training", "bee", "1.5"]
    width, height = picture.pixels.size
    assert all(0 <= text.x <= width and text.y + text.size <= height for text in picture.texts)


def test_rectangles_keep_their_shape() -> None:
    images = torch.tensor([10, 20, 30, 5], dtype=torch.uint8)[:, None, None, None]
    images = images.expand(-1, 3, 24, 12)
    grid = np.asarray(labelled_grid(images, torch.tensor([0, 1, 0, 1]), ("ant", "bee")))[..., 0]
    for shade, top, places_left in (
        (10, GAP, 2),
        (30, GAP, 1),
        (20, 50 + GAP, 2),
        (5, 50 + GAP, 1),
    ):
        rows, columns = np.nonzero(grid == shade)
        assert (rows.min(), rows.max() + 1) == (top, top + 48)  # at twice the size
        left = grid.shape[1] - places_left * (24 + GAP)
        assert (columns.min(), columns.max() + 1) == (left, left + 24)
    pairs = ClosestPairs(images[:1].numpy(), images[1:2].numpy(), np.array([0.5], dtype=np.float32))
    pixels = np.asarray(draw_pairs(pairs).pixels)[..., 0]
    spans = [[np.ptp(places) + 1 for places in np.nonzero(pixels == shade)] for shade in (10, 20)]
    assert spans == [[96, 48], [96, 48]]


def test_a_long_group_goes_on_below_and_long_names_are_cut() -> None:
    count = 12
    pairs = ClosestPairs(
        flat(list(range(count)), 96).numpy(),
        flat([200] * count, 96).numpy(),
        np.arange(count, dtype=np.float32),
        ("a name that is far too long for one small image",) * count,
        None,
    )
    of = "a title that is wider than four images: " + "run " * 25
    picture = draw_pairs(pairs, of=of)
    assert picture.texts[0].text == of
    assert picture.texts[1].y > picture.texts[0].y
    assert picture.pixels.width > draw_pairs(pairs).pixels.width
    rows = {shades(picture.pixels, color)[0][0] for color in range(1, count)}
    assert len(rows) == 2
    assert len(shades(picture.pixels, 200)) == 1
    names = {text.text for text in picture.texts if text.text.startswith("a name")}
    (cut,) = names
    assert cut.endswith("…")


NAMES = ("$x^2$", "нога", "قط")


@pytest.mark.parametrize("name", ["g.png", "g.jpg", "g.JPEG", "g.svg", "g.pdf"])
def test_every_format_holds_the_picture(name: str, tmp_path: Path) -> None:
    picture = draw_grid(flat([10, 100, 200]), torch.arange(3), NAMES)
    picture.save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    if name.endswith(("svg", "pdf")):
        assert content.startswith(b"<?xml" if name.endswith("svg") else b"%PDF")
        width = picture.pixels.size[0]
        size = f'width="{width}pt"' if name.endswith("svg") else f"MediaBox [ 0 0 {width} "
        assert size.encode() in content
        # Letters are lines; a grid without names is that much smaller.
        plain = draw_grid(flat([10, 100, 200]), torch.arange(3), ("", "", ""))
        plain.save(tmp_path / f"plain.{name[-3:]}")
        assert len(content) > len((tmp_path / f"plain.{name[-3:]}").read_bytes()) + 500
    else:
        shown = Image.open(tmp_path / name)
        assert shown.format == ("PNG" if name.endswith("png") else "JPEG")
        close = 0 if name.endswith("png") else 6
        difference = np.abs(cells(shown, 3, 1).ravel() - np.array([10, 100, 200]))
        assert difference.max() <= close


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
