"""The shape that most images share, and the rectangles for it."""

import numpy as np
import pytest

from contragan.core.resolution import Rectangle, Resolution, height_width
from contragan.inspection.aspect import (
    large_enough,
    rectangle,
    shape_in_words,
    shared_shape,
)
from contragan.models.base import check_resolution
from contragan.models.residual import LAYOUTS


def test_a_shape_is_shared_by_two_thirds_of_the_images() -> None:
    portraits = np.array([300, 303, 600, 400]), np.array([400, 400, 800, 400])
    assert shared_shape(*portraits) == pytest.approx(0.75, abs=0.01)
    widths, heights = portraits
    assert shared_shape(heights, widths) == pytest.approx(1.33, abs=0.02)
    half = np.array([300, 300, 400, 400]), np.array([400, 400, 300, 300])
    assert shared_shape(*half) is None  # as many lie as stand
    assert shared_shape(np.array([80] * 3), np.array([100] * 3)) is None  # nearly square


@pytest.mark.parametrize(
    ("shape", "words", "sizes"),
    [
        (3 / 4, "3 : 4", [Rectangle(96, 128), Rectangle(48, 64), Rectangle(24, 32), None]),
        (1.5, "3 : 2", [Rectangle(144, 96), Rectangle(72, 48), Rectangle(36, 24), None]),
        (9 / 16, "9 : 16", [Rectangle(80, 144), Rectangle(40, 72), Rectangle(20, 36), None]),
    ],
)
def test_rectangles_of_a_shape(shape: float, words: str, sizes: list[Resolution | None]) -> None:
    assert shape_in_words(shape) == words
    assert [rectangle(shape, side) for side in (128, 64, 32, 16)] == sizes


@pytest.mark.parametrize("shape", [0.1, 0.43, 0.71, 1.23, 3.0])
def test_every_rectangle_can_be_made(shape: float) -> None:
    for side in (128, 64):
        size = rectangle(shape, side)
        assert size is not None
        check_resolution("generator", size, tuple(LAYOUTS))
        height, width = height_width(size)
        assert side**2 / 4 < width * height <= side**2
        assert width / height == pytest.approx(shape, rel=0.12)


def test_which_images_are_large_enough() -> None:
    widths, heights = np.array([48, 47, 64]), np.array([64, 90, 48])
    assert large_enough(Rectangle(48, 64), widths, heights) == pytest.approx(1 / 3)
    assert large_enough(48, widths, heights) == pytest.approx(2 / 3)
