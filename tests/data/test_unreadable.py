"""Unreadable images: all of them at once, training and test images together."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from contragan.core.errors import UserError
from contragan.data import DataConfig
from contragan.data.splits import load_splits
from contragan.data.unreadable import UnreadableImages, failure, say_unreadable, told

Config = Callable[..., DataConfig]


@pytest.fixture
def damaged(tree: Path) -> list[Path]:
    """Four files that are not images, three of them for training."""
    paths = [tree / "train" / name / f"{index}.png" for index, name in enumerate(("ant", "bee"))]
    paths += [tree / "train" / "cow" / "5.png", tree / "test" / "cow" / "1.png"]
    for path in paths:
        path.write_bytes(b"no image")
    return paths


def read(
    tree: Path, config: Config, report: Path | None = None, *, skip: bool = False
) -> tuple[str, int]:
    """What is said, and how many images were read."""
    said = io.StringIO()
    console = Console(file=said, force_terminal=False, width=500)
    sets = load_splits(config(), tree, console, skip_unreadable=skip, report=report)
    return said.getvalue(), sum(map(len, sets))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTRAGAN_CACHE", str(tmp_path / "cache"))


def test_training_and_test_images_are_named_together(
    tree: Path, config: Config, damaged: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(width=500)
    with pytest.raises(UnreadableImages) as raised:
        load_splits(config(), tree, console)
    assert str(raised.value).startswith(f"4 unreadable images: {damaged[0]} (not an image")
    assert "; and 1 more, all of which --report FILE lists; replace or" in str(raised.value)
    assert "\n" not in str(raised.value)
    # The error is one line; the list before it has all.
    said = capsys.readouterr().out
    assert [line.split(" (")[0] for line in said.splitlines()] == [
        f"cannot be used: {path}" for path in damaged
    ]


def test_a_report_holds_every_file_with_its_reason(
    tree: Path, config: Config, damaged: list[Path], tmp_path: Path
) -> None:
    report = tmp_path / "report.tsv"
    with pytest.raises(UserError):
        read(tree, config, report)
    expected = ["file\treason"]
    expected += [f"{path}\tnot an image of a known format" for path in damaged]
    assert report.read_text().splitlines() == expected
    report.unlink()
    said, count = read(tree, config, report, skip=True)
    assert count == 24 - 4
    assert said.splitlines()[0] == f"note: 4 images that cannot be used: listed in {report}"
    assert "note: left out: 4 unreadable images, the first is" in said
    assert report.read_text().splitlines() == expected
    for path in damaged:
        path.unlink()
    said, count = read(tree, config, report)
    assert said.splitlines() == [f"note: 0 images that cannot be used: listed in {report}"]
    assert report.read_text() == "file\treason\n"


def test_all_images_that_are_too_small_are_named_together(
    tree: Path, config: Config, damaged: list[Path], tmp_path: Path, draw: Callable[..., Path]
) -> None:
    small = [draw(tree / split / "ant" / "0.png", size=(15, 40)) for split in ("train", "test")]
    report = tmp_path / "report.tsv"
    with pytest.raises(UserError) as raised:
        read(tree, config, report)
    assert "5 unreadable images: " in str(raised.value)
    assert "lower data.resolution" in str(raised.value)
    lines = report.read_text().splitlines()
    assert len(lines) == 1 + 3 + 2
    for path in small:
        assert f"{path}\t15 x 40 pixels, smaller than the resolution 16" in lines
    assert read(tree, config, skip=True)[1] == 19


def test_what_was_decoded_before_the_refusal_is_not_decoded_again(
    tree: Path, config: Config, damaged: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnreadableImages):
        read(tree, config)

    def decode(*args: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("contragan.data.store.decode_all", decode)
    assert read(tree, config, skip=True)[1] == 20


def test_failures_of_older_caches_are_told_as_they_are(tmp_path: Path) -> None:
    assert told(failure("a (1).png", "bad\n data")) == "a (1).png (bad data)"
    assert told("a.png (bad data)") == "a.png (bad data)"
    report = tmp_path / "report.tsv"
    console = Console(quiet=True)
    say_unreadable(["a.png (bad data)", "b.png\tbad"], console, report, skipped=True)
    assert report.read_text() == "file\treason\na.png (bad data)\t\nb.png\tbad\n"


def test_an_image_of_both_splits_is_listed_once(tmp_path: Path) -> None:
    report = tmp_path / "report.tsv"
    both = [failure("a.png", "bad")] * 2
    say_unreadable(both, Console(quiet=True), report, skipped=True)
    assert report.read_text() == "file\treason\na.png\tbad\n"


def test_one_image_is_named_in_the_singular() -> None:
    assert str(UnreadableImages([failure("a.png", "the file is empty")])) == (
        "unreadable image: a.png (the file is empty); replace or remove it, or go on with "
        "--skip-unreadable"
    )
