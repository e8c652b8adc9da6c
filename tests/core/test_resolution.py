"""Squares and rectangles as they are written and read."""

from fractions import Fraction

import pytest
from pydantic import TypeAdapter, ValidationError

from contragan.core.resolution import (
    Rectangle,
    Resolution,
    ResolutionSetting,
    height_width,
    read_resolution,
    scaled,
    spelled,
)

SETTING: TypeAdapter[Resolution] = TypeAdapter(ResolutionSetting)


@pytest.mark.parametrize(
    ("given", "read", "written"),
    [
        (64, 64, 64),
        ("48x64", Rectangle(48, 64), "48x64"),
        (" 64 X 48 ", Rectangle(64, 48), "64x48"),
        ("64x64", 64, 64),
        (Rectangle(48, 64), Rectangle(48, 64), "48x64"),
    ],
)
def test_a_setting_is_read_and_written(given: object, read: Resolution, written: object) -> None:
    found = SETTING.validate_python(given, strict=True)
    assert found == read
    assert SETTING.dump_python(found, mode="json") == written
    assert SETTING.validate_python(written, strict=True) == read


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([48, 64], "does not say which is the width: write 48x64 for a width of 48 and a height"),
        ("48y64", "WIDTHxHEIGHT such as 48x64"),
        ("64", "must be a number of pixels"),
        (True, "must be a number of pixels"),
        (64.0, "must be a number of pixels"),
        (7, "sides of 8 to 1024"),
        ("48x1025", "sides of 8 to 1024"),
    ],
)
def test_what_is_not_a_size_is_refused(given: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SETTING.validate_python(given, strict=True)


def test_the_width_is_written_first_and_the_height_comes_first_in_tensors() -> None:
    size = read_resolution("48x64")
    assert (str(size), spelled(size), height_width(size)) == ("48x64", "48 x 64", (64, 48))
    assert (read_resolution("64"), spelled(64), height_width(64)) == (64, "64 x 64", (64, 64))
    assert read_resolution("2000x3000") == Rectangle(2000, 3000)  # of an evaluation
    with pytest.raises(ValueError, match="at least 8"):
        read_resolution("4")


def test_a_share_of_a_size_is_whole_or_none() -> None:
    assert scaled(Rectangle(48, 64), Fraction(1, 2)) == Rectangle(24, 32)
    assert scaled(64, Fraction(3, 4)) == 48
    assert scaled(Rectangle(20, 24), Fraction(1, 8)) is None
