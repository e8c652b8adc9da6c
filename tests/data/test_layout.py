"""Wrong levels, splits by other names, numbered folders, flat folders and lists of labels."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contragan.core.errors import UserError
from contragan.data import ImageDataset, load_dataset, load_image_set
from contragan.data.layout import split_word

Load = Callable[..., ImageDataset]
Draw = Callable[..., Path]


def test_folders_that_hold_the_same_folders_are_refused(tree: Path, load: Load) -> None:
    (tree / "train").rename(tree / "images")
    (tree / "test").rename(tree / "masks")
    expected = (
        r"set holds images, masks, and each of them holds ant, bee, cow: either may be the "
        r"classes\. Give .*set/images.*"
    )
    with pytest.raises(UserError, match=expected + r"data\.classes=\[images, masks\]"):
        load(tree)
    with pytest.raises(UserError, match=expected):
        load_image_set(tree)
    # Whoever names the classes has settled it.
    assert load(tree, classes=("images", "masks")).class_names == ("images", "masks")


def test_one_folder_in_each_class_is_no_other_level(tree: Path, load: Load) -> None:
    for split in ("train", "test"):
        for name in ("ant", "bee", "cow"):
            folder = tree / split / name
            folder.rename(folder.with_name("x"))
            folder.mkdir()
            folder.with_name("x").rename(folder / "images")
    assert load(tree).class_counts.tolist() == [6, 6, 6]
    assert load_image_set(tree / "train").class_names == ("ant", "bee", "cow")


def test_a_split_tree_is_not_a_set_of_images(tree: Path) -> None:
    with pytest.raises(UserError, match=r"holds test, train, and each .*Give one of them, such as"):
        load_image_set(tree)


def test_an_archives_own_folder_is_entered(tree: Path, load: Load, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    tree.rename(outer / "set")
    data = load(outer)
    assert data.class_names == ("ant", "bee", "cow")
    assert data.notes[0] == f"reading {outer / 'set'}, the only folder in {outer}"


@pytest.mark.parametrize(
    ("folder", "word"),
    [
        ("train", "train"),
        ("Training_Set", "training"),
        ("test-data", "test"),
        ("seg_train", "train"),
        ("valid", "valid"),
        ("validation_images", "validation"),
        ("trainset", "train"),
        ("trainer", None),
        ("train_station", None),
        ("valley", None),
        ("dev tools", None),
    ],
)
def test_split_words(folder: str, word: str | None) -> None:
    assert split_word(folder) == word


@pytest.fixture
def numbered(tmp_path: Path, draw: Draw) -> Path:
    root = tmp_path / "numbered"
    for name in range(1, 12):
        for index in range(3):
            draw(root / str(name) / f"{index}.png", seed=100 * name + index)
    return root


def test_numbers_count(numbered: Path, load: Load) -> None:
    expected = tuple(str(number) for number in range(1, 12))
    assert load(numbered).class_names == load_image_set(numbered).class_names == expected


def test_a_run_keeps_the_order_it_has(numbered: Path, tmp_path: Path, config: Any) -> None:
    old = tuple(sorted(str(number) for number in range(1, 12)))
    assert old[:3] == ("1", "10", "11")
    options: dict[str, Any] = {"root": numbered, "cache": tmp_path / "cache"}
    new = load_dataset(config(), "train", **options)
    data = load_dataset(config(), "train", class_order=old, **options)
    assert data.class_names == old
    for label, name in enumerate(old):
        mine = data.images[data.labels == label]
        theirs = new.images[new.labels == new.class_names.index(name)]
        np.testing.assert_array_equal(mine, theirs)
    # The fingerprint of this order before numbers counted, of the same draws.
    named = config(classes=old)
    assert data.fingerprint == load_dataset(named, "train", **options).fingerprint
    # Other names are not this run's: whoever compares them finds that out.
    other = load_dataset(config(), "train", class_order=("a", *old[1:]), **options)
    assert other.class_names == new.class_names


def test_composed_and_decomposed_names_are_one(tmp_path: Path, draw: Draw, config: Any) -> None:
    for name in ("e\u0301te\u0301", "hiver"):
        for index in range(3):
            draw(tmp_path / "set" / name / f"{index}.png", seed=index)
    order = ("hiver", "\u00e9t\u00e9")
    options: dict[str, Any] = {"root": tmp_path / "set", "cache": tmp_path / "cache"}
    data = load_dataset(config(), "train", class_order=order, **options)
    assert data.class_names == order


def test_a_flat_folder_is_one_class(tmp_path: Path, draw: Draw, config: Any) -> None:
    for index in range(10):
        draw(tmp_path / "photos" / f"{index}.png", seed=index)
    options: dict[str, Any] = {
        "root": tmp_path / "photos",
        "cache": tmp_path / "cache",
        "needs_classes": False,
    }
    train = load_dataset(config(), "train", **options)
    assert (train.class_names, len(train)) == (("image",), 9)
    assert len(load_dataset(config(), "test", **options)) == 1
    with pytest.raises(UserError, match=r"no class folders in .*generator.conditional=false"):
        load_dataset(config(), "train", root=tmp_path / "photos")
    (tmp_path / "split").mkdir()
    shutil.copytree(tmp_path / "photos", tmp_path / "split" / "train")
    shutil.copytree(tmp_path / "photos", tmp_path / "split" / "test")
    options["root"] = tmp_path / "split"
    assert len(load_dataset(config(), "train", **options)) == 10


@pytest.fixture
def stylegan(tmp_path: Path, draw: Draw) -> Path:
    """StyleGAN's layout: 12 images in two folders, with labels 10, 2 and 0."""
    root = tmp_path / "stylegan"
    labels = []
    for index in range(12):
        name = f"{index // 6:05d}/img{index:08d}.png"
        draw(root / name, seed=index)
        labels.append([name, (10, 2, 0)[index % 3]])
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))
    return root


def test_stylegans_layout(stylegan: Path, load: Load) -> None:
    train, test = load(stylegan), load(stylegan, "test")
    assert train.class_names == test.class_names == ("0", "2", "10")
    assert train.class_counts.tolist() == [3, 3, 3]
    assert test.class_counts.tolist() == [1, 1, 1]
    given = load_image_set(stylegan)
    assert given.class_names == ("0", "2", "10")
    assert given.class_counts.tolist() == [4, 4, 4]
    (stylegan / "dataset.json").write_text(json.dumps({"labels": None}))
    assert load_image_set(stylegan).class_names == ("image",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"dataset\.json cannot be read"),
        ('{"labels": [["00000/img00000000.png", 0]]}', "has no label for 11 images"),
        ('{"labels": [["nowhere.png", 0]]}', r"lists nowhere\.png, which is not there"),
        ('{"labels": [["00000/img00000000.png", "cat"]]}', "use class folders"),
    ],
)
def test_lists_of_labels_that_do_not_fit(
    stylegan: Path, load: Load, content: str, message: str
) -> None:
    (stylegan / "dataset.json").write_text(content)
    for door in (load, load_image_set):
        with pytest.raises(UserError, match=message):
            door(stylegan)


def test_a_run_is_named_as_a_run(tree: Path, load: Load) -> None:
    (tree / "recipe.yaml").write_text("x")
    (tree / "dataset.json").write_text("{}")
    with pytest.raises(UserError, match="is a run and not a data set"):
        load(tree)
    with pytest.raises(UserError, match=r"is a run and not a set of images: .*contragan sample"):
        load_image_set(tree)
