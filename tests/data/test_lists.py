"""Labels from lists: tables, JSON lines, StyleGAN's dataset.json; and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contragan.core.errors import UserError
from contragan.data import ImageDataset, load_image_set

Load = Callable[..., ImageDataset]
Draw = Callable[..., Path]


@pytest.fixture
def photos(tmp_path: Path, draw: Draw) -> Path:
    """``photos/0.png`` to ``11.png``."""
    root = tmp_path / "set"
    for index in range(12):
        draw(root / "photos" / f"{index}.png", seed=index)
    return root


def _table(path: Path, rows: list[list[Any]], mark: str = ",") -> Path:
    path.write_text("".join(mark.join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return path


def _rows(labels: str = "ab") -> list[list[Any]]:
    return [[f"photos/{index}.png", labels[index % len(labels)]] for index in range(12)]


@pytest.mark.parametrize(
    ("name", "head", "mark"),
    [
        ("mine.csv", ["path", "class"], ","),
        ("mine.csv", ["Image", "Species"], ";"),
        ("mine.tsv", ["filename", "label"], "\t"),
        ("labels.csv", ["file", "anything"], ","),
        ("mine.csv", None, ","),
    ],
)
def test_a_table_gives_the_classes(
    photos: Path, load: Load, name: str, head: list[str] | None, mark: str
) -> None:
    table = _table(photos / name, [*([head] if head else []), *_rows()], mark)
    place = photos if name.startswith("labels") else table
    data = load(place)
    assert data.class_names == ("a", "b")
    assert data.class_counts.tolist() == [5, 5]
    assert load(place, "test").class_counts.tolist() == [1, 1]
    columns = " and ".join(head or ["file", "label"])
    assert data.notes[0] == f"reading labels from {name}, columns {columns}"
    assert load_image_set(place).class_counts.tolist() == [6, 6]


def test_lines_of_json_name_splits_and_numbers(photos: Path, load: Load) -> None:
    splits = ["train"] * 8 + ["test"] * 3 + ["val"]
    lines = [
        json.dumps({"file": f"photos/{k}.png", "label": k % 2 + 9, "split": split})
        for k, split in enumerate(splits)
    ]
    (photos / "list.jsonl").write_text("\n".join(lines), encoding="utf-8")
    train, test = (load(photos / "list.jsonl", split) for split in ("train", "test"))
    assert train.class_names == test.class_names == ("9", "10")
    assert (len(train), len(test)) == (8, 3)
    assert "with test images of the split test" in train.notes[0]
    assert any("images of the split val are left out" in line for line in train.notes)
    with pytest.raises(UserError, match="lists training and test images: give"):
        load_image_set(photos / "list.jsonl")


def test_folders_of_splits_with_lists_of_their_own(tmp_path: Path, draw: Draw, load: Load) -> None:
    """Hugging Face's imagefolder."""
    root = tmp_path / "set"
    for split, count in (("train", 6), ("test", 2)):
        files = [draw(root / split / f"{k}.png", seed=k).name for k in range(count)]
        rows = [[name, "ab"[k % 2]] for k, name in enumerate(files)]
        _table(root / split / "metadata.csv", [["file_name", "label"], *rows])
    assert load(root).class_counts.tolist() == [3, 3]
    assert load(root, "test").class_counts.tolist() == [1, 1]


def test_a_list_without_labels_leaves_the_folders_as_classes(tree: Path, load: Load) -> None:
    rows = [[f"train/ant/{k}.png", "a caption"] for k in range(3)]
    _table(tree / "metadata.csv", [["file_name", "text"], *rows])
    data = load(tree)
    assert data.class_names == ("ant", "bee", "cow")
    assert data.notes[0] == f"{tree / 'metadata.csv'} has no column of labels and is not used"


def test_a_list_of_other_files_leaves_the_folders_as_classes(tree: Path, load: Load) -> None:
    table = _table(tree / "labels.csv", [["file", "label"], ["0.png", "ant"], ["1.png", "bee"]])
    data = load(tree)
    assert data.class_names == ("ant", "bee", "cow")
    assert data.notes[0] == f"{table} lists files that are not there and is not used"
    _table(tree / "labels.csv", [["file", "label"], ["0.png", ""]])
    with pytest.raises(UserError, match="missing; or move the list away, and the folders are the"):
        load(tree)


@pytest.mark.usefixtures("without_heif")
def test_unlisted_images_and_other_formats_are_counted(
    photos: Path, draw: Draw, load: Load
) -> None:
    (photos / "photos" / "x.heic").write_bytes(b"")
    draw(photos / "photos" / "new.png")
    table = _table(photos / "l.csv", [["file", "label"], *_rows(), ["photos/x.heic", "a"]])
    notes = load(table).notes
    assert "1 image is not in the list and left out" in notes
    assert any("(1 .heic); to read HEIC: pip install pillow-heif" in line for line in notes)


_BAD = {
    "no file": (["photos/99.png", "a"], r"line 14: there is no file photos/99\.png in .*set:"),
    "an empty file": (["", "a"], r"line 14: the file is missing"),
    "an empty label": (["photos/1.png", " "], r"line 14: the label of photos/1\.png is missing"),
    "no label": (["photos/1.png"], r"line 14: the label of photos/1\.png is missing"),
    "twice": (["photos/1.png", "b"], r"line 14: photos/1\.png is listed on line 3 already"),
    "more cells": (["photos/1.png", "b", "c"], r"line 14: 3 cells under 2 columns"),
}


@pytest.mark.parametrize("row", _BAD)
def test_a_bad_row_is_one_line(photos: Path, load: Load, row: str) -> None:
    cells, message = _BAD[row]
    table = _table(photos / "l.csv", [["file", "label"], *_rows(), cells])
    for read in (load, load_image_set):
        with pytest.raises(UserError, match=message) as raised:
            read(table)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"file": "photos/0.png", "label": 0.5}', r"line 3: the label of photos/0\.png is 0\.5"),
        ('{"file": "photos/0.png"}', r"line 3: the label of photos/0\.png is missing"),
        ("photos/0.png,a", "line 3 is not JSON"),
        ("[1]", "line 3: expected an object with file and label"),
    ],
)
def test_a_bad_line_of_json_is_counted_with_empty_ones(
    photos: Path, load: Load, line: str, message: str
) -> None:
    table = photos / "l.jsonl"
    table.write_text('{"file": "photos/1.png", "label": "a"}\n\n' + line + "\n")
    with pytest.raises(UserError, match=message):
        load(table)


def test_decimal_numbers_are_no_classes(photos: Path, load: Load) -> None:
    rows = [[f"photos/{k}.png", k / 8] for k in range(12)]
    table = _table(photos / "l.csv", [["file", "label"], *rows])
    message = r"line 2: the column label holds decimal numbers, such as 0\.0, and no classes"
    with pytest.raises(UserError, match=message):
        load(table)
    lines = [json.dumps({"file": name, "label": value}) for name, value in rows]
    (photos / "l.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match=r"line 1: the label of photos/0\.png is 0\.0: write text"):
        load(photos / "l.jsonl")
    (photos / "dataset.json").write_text(json.dumps({"labels": rows}), encoding="utf-8")
    with pytest.raises(UserError, match=r"the label of photos/0\.png is 0\.0, not a whole number"):
        load(photos)


def test_columns_that_say_nothing_are_named(photos: Path, load: Load) -> None:
    table = _table(photos / "l.csv", [["a", "b", "c"], *([*row, 1] for row in _rows())])
    with pytest.raises(UserError, match="has the columns a, b, c, none of them of paths"):
        load(table)
    table = _table(photos / "l.csv", [["file", "b", "c"], *([*row, 1] for row in _rows())])
    with pytest.raises(UserError, match="has the columns file, b, c, none of them of classes"):
        load(table)
    (photos / "l.csv").write_bytes("file,label\nä.png,ö\n".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        load(photos / "l.csv")
