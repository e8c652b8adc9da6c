"""Words for messages: long names, numbers of images, bytes, times."""

from __future__ import annotations

import pytest

from contragan.core.words import duration, folded, images_of, readable


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("biggan", ["biggan"]),
        ("cifar10-biggan-4110746a-seed0", ["cifar10-biggan-", "4110746a-seed0"]),
        ("a" * 20, ["a" * 16, "a" * 4]),
        ("a/b", ["a/b"]),
    ],
)
def test_long_names_go_on_in_the_next_line(name: str, lines: list[str]) -> None:
    assert folded(name, 16) == lines


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_500_000, "2.5 MB"), (10**10, "10.0 GB")],
)
def test_bytes_in_the_unit_that_suits_them(count: int, text: str) -> None:
    assert readable(count) == text


def test_numbers_of_images() -> None:
    assert [images_of(count) for count in (0, 1, 1200)] == ["0 images", "1 image", "1,200 images"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"), (59, "59 s"), (59.9, "1 min"), (60, "1 min"), (3599, "1 h"),
        (7800, "2 h 10 min"),
        (86_399, "1 d"), (86_400, "1 d"), (100_000, "1 d 4 h"),
    ],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
