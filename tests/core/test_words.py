"""Words for messages: names that are too long for their place."""

from __future__ import annotations

import pytest

from contragan.core.words import folded


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
