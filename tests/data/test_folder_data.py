from __future__ import annotations

import os
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from contragan.core.errors import UserError
from contragan.data import DataConfig, ImageDataset

Load = Callable[..., ImageDataset]
Draw = Callable[..., Path]


def test_split_tree(tree: Path, load: Load) -> None:
    (tree / "train" / "ant" / ".DS_Store").write_bytes(b"x")
    (tree / "train" / "ant" / "Thumbs.db").write_bytes(b"x")
    (tree / "train" / "ant" / "._0.png").write_bytes(b"x")
    (tree / "train" / ".hidden").mkdir()
    train, test = load(tree), load(tree, "test")
    assert train.class_names == test.class_names == ("ant", "bee", "cow")
    assert train.images.shape == (18, 16, 16, 3)
    assert train.class_counts.tolist() == [6, 6, 6]
    assert test.class_counts.tolist() == [2, 2, 2]
    assert train.fingerprint != test.fingerprint
    assert [note.partition(": ")[2] for note in train.notes] == [
        "1 file not of an image format this machine reads (1 ._*)"
    ]
    expected = np.asarray(Image.open(tree / "train" / "bee" / "3.png"))
    np.testing.assert_array_equal(train.images[9], expected)
    assert train.labels[9] == 1


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_other_names_of_the_test_folder(tree: Path, load: Load, name: str) -> None:
    (tree / "test").rename(tree / name)
    assert len(load(tree, "test")) == 6


def test_flat_folder_holds_out_a_share_of_each_class(flat: Path, load: Load) -> None:
    train = load(flat, test_fraction=0.2)
    test = load(flat, "test", test_fraction=0.2)
    assert train.class_counts.tolist() == [8, 16]
    assert test.class_counts.tolist() == [2, 4]
    pixels = {image.tobytes() for image in train.images} & {i.tobytes() for i in test.images}
    # The fixture draws the same image i in both classes: only those may be on both sides.
    both = {
        image.tobytes() for image, label in zip(train.images, train.labels, strict=True) if label
    } & {image.tobytes() for image, label in zip(test.images, test.labels, strict=True) if label}
    assert not both
    assert len(pixels) <= 6
    assert "held out" in train.notes[0]
    np.testing.assert_array_equal(load(flat, "test", test_fraction=0.2).images, test.images)


def test_train_folder_without_test_folder(tree: Path, load: Load) -> None:
    shutil.rmtree(tree / "test")
    assert load(tree, "test", test_fraction=0.5).class_counts.tolist() == [3, 3, 3]


def test_a_class_may_be_called_train(tmp_path: Path, load: Load, draw: Draw) -> None:
    for name in ("bus", "train"):
        for index in range(3):
            draw(tmp_path / "vehicles" / name / f"{index}.png", seed=index)
    assert load(tmp_path / "vehicles").class_names == ("bus", "train")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Train", "Test"),
        ("TRAIN", "Val"),
        ("training", "testing"),
        ("training_set", "test_set"),
        ("train_data", "validation_data"),
        ("seg_train", "seg_test"),
        ("trainset", "testset"),
    ],
)
def test_names_of_the_split_folders(tree: Path, load: Load, train: str, test: str) -> None:
    (tree / "train").rename(tree / train)
    (tree / "test").rename(tree / test)
    assert load(tree).class_names == load(tree, "test").class_names == ("ant", "bee", "cow")
    assert (len(load(tree)), len(load(tree, "test"))) == (18, 6)


@pytest.mark.parametrize("names", [("val", "test"), ("test_set", "Testing"), ("valid", "Test")])
def test_split_folders_are_no_classes(tree: Path, load: Load, names: tuple[str, str]) -> None:
    for old, new in zip(("train", "test"), names, strict=True):
        (tree / old).rename(tree / new)
    with pytest.raises(UserError, match=r"holds \w+ and \w+, but no folder called train; expected"):
        load(tree)


def test_chosen_classes_are_labelled_in_their_order(tree: Path, load: Load) -> None:
    data = load(tree, classes=("cow", "ant"))
    assert data.class_names == ("cow", "ant")
    assert data.labels.tolist() == [0] * 6 + [1] * 6
    np.testing.assert_array_equal(
        data.images[0], np.asarray(Image.open(tree / "train" / "cow" / "0.png"))
    )
    assert load(tree, "test", classes=("cow", "ant")).class_counts.tolist() == [2, 2]


def test_unknown_class_names_the_nearest(tree: Path, load: Load) -> None:
    with pytest.raises(UserError, match=r"no class 'cwo' in .*train \(nearest: cow\)"):
        load(tree, classes=("ant", "cwo"))
    with pytest.raises(UserError, match=r"\(it has ant, bee, cow\)"):
        load(tree, classes=("ant", "zzzzzz"))


def test_bad_settings(config: Callable[..., DataConfig]) -> None:
    with pytest.raises(ValidationError, match="names a class twice"):
        config(classes=("ant", "ant"))
    with pytest.raises(ValidationError, match="at least two classes"):
        config(classes=("ant",))
    with pytest.raises(ValidationError):
        config(test_fraction=1.0)
    with pytest.raises(ValidationError):
        config(channels=2)


def test_missing_and_empty_folders(tmp_path: Path, load: Load, draw: Draw) -> None:
    with pytest.raises(UserError, match=r"needs --data PATH; expected PATH/train/<class>"):
        load(None)
    with pytest.raises(UserError, match=r"nowhere does not exist: .* with --data PATH; expected"):
        load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="is empty; expected"):
        load(tmp_path / "empty")
    with pytest.raises(UserError, match="is a file, not a folder"):
        load(draw(tmp_path / "one.png"))


def test_no_class_folders(tmp_path: Path, load: Load, draw: Draw) -> None:
    for name in "ab":
        draw(tmp_path / "loose" / f"{name}.png")
        draw(tmp_path / "split" / "train" / f"{name}.png")
    with pytest.raises(UserError, match=r"no class folders in .*loose; expected"):
        load(tmp_path / "loose")
    with pytest.raises(UserError, match=r"no class folders in .*split; expected"):
        load(tmp_path / "split")


def test_single_class(tmp_path: Path, load: Load, draw: Draw) -> None:
    for name in "ab":
        draw(tmp_path / "one" / "train" / "ant" / f"{name}.png")
    with pytest.raises(UserError, match=r"single class \(ant\): .* at least two"):
        load(tmp_path / "one")


def test_class_folder_without_images(tree: Path, load: Load) -> None:
    (tree / "train" / "dog").mkdir()
    (tree / "train" / "dog" / "notes.txt").write_text("none yet")
    with pytest.raises(UserError, match=r"train/dog holds no images"):
        load(tree)


def test_test_classes_that_are_not_trained_on(tree: Path, load: Load, draw: Draw) -> None:
    draw(tree / "test" / "yak" / "0.png")
    shutil.rmtree(tree / "test" / "cow")
    data = load(tree, "test")
    assert data.class_names == ("ant", "bee", "cow")
    assert data.class_counts.tolist() == [2, 2, 0]
    assert data.notes == (
        "1 test class is left out, as test has images of yak and the training images do not",
        f"1 training class has no images in {tree / 'test'}: cow",
    )
    for name in ("ant", "bee"):
        shutil.rmtree(tree / "test" / name)
    with pytest.raises(UserError, match="holds no images of the training classes"):
        load(tree, "test")


def test_images_smaller_than_the_resolution(tree: Path, load: Load, draw: Draw) -> None:
    path = draw(tree / "train" / "bee" / "small.png", size=(15, 40))
    with pytest.raises(
        UserError, match=rf"{path} \(15 x 40 pixels, smaller than .* 16\).*lower data"
    ):
        load(tree)
    data = load(tree, skip_unreadable=True)
    assert (len(data), data.skipped) == (18, 1)


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_unreadable_image(tree: Path, load: Load, draw: Draw, damage: str) -> None:
    path = draw(tree / "train" / "bee" / "photo.jpg", size=(64, 64))
    content = {"truncated": path.read_bytes()[:900], "text": b"no image", "empty": b""}[damage]
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"unreadable image: {path} .*--skip-unreadable"):
        load(tree)
    data = load(tree, skip_unreadable=True)
    assert len(data) == 18
    assert data.skipped == 1
    assert data.unreadable[0].startswith(f"{path}\t")
    # The store is there now, but who does not skip still hears of it.
    with pytest.raises(UserError, match="unreadable image"):
        load(tree)


def test_what_is_no_image_is_said_without_a_memory_address(tree: Path, load: Load) -> None:
    path = tree / "train" / "bee" / "text.png"
    path.write_text("no image")
    with pytest.raises(UserError, match=re.escape(f"{path} (not an image of a known format)")):
        load(tree)


@pytest.mark.parametrize("target", ["nowhere.png", "photo.png"])
def test_a_link_that_leads_nowhere_is_unreadable(tree: Path, load: Load, target: str) -> None:
    path = tree / "train" / "bee" / "photo.png"  # and one that leads to itself
    path.symlink_to(target)
    with pytest.raises(UserError, match=rf"unreadable image: {path} .*--skip-unreadable"):
        load(tree)
    assert load(tree, skip_unreadable=True).skipped == 1


def test_a_link_to_a_folder_above_is_named(tree: Path, load: Load) -> None:
    (tree / "train" / "bee" / "more").symlink_to(tree / "train" / "ant")
    assert load(tree).class_counts.tolist() == [6, 12, 6]
    (tree / "train" / "bee" / "again").symlink_to(tree / "train")
    with pytest.raises(UserError, match=r"again/bee is a link to a folder that it lies in"):
        load(tree)


def test_a_class_name_must_be_text(tree: Path, load: Load) -> None:
    name = os.fsdecode(b"caf\xe9")
    try:
        (tree / "train" / name).mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(UserError, match=r"folder b'caf\\xe9' in .*train is not UTF-8: rename it"):
        load(tree)


def test_a_class_with_nothing_readable(tree: Path, load: Load) -> None:
    for path in (tree / "train" / "bee").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="no image of class bee can be read"):
        load(tree, skip_unreadable=True)


def test_imagenet_layout(tree: Path, load: Load) -> None:
    with pytest.raises(UserError, match="does not hold ImageNet"):
        load(tree, kind="imagenet")
    (tree / "test").rename(tree / "val")
    (tree / "words.txt").write_text("ant\tworker, soldier\nbee\tworker\ncow\tcattle, oxen\n")
    data = load(tree, "test", kind="imagenet", resolution=32)
    assert data.class_names == ("worker (ant)", "worker (bee)", "cattle")
    assert data.images.shape == (6, 32, 32, 3)
    assert load(tree, kind="imagenet", classes=("cow", "worker (ant)")).class_names == (
        "cattle",
        "worker (ant)",
    )


def test_a_class_with_a_single_image_trains_and_is_said(flat: Path, load: Load, draw: Draw) -> None:
    draw(flat / "cow" / "0.png")
    train, test = load(flat), load(flat, "test")
    assert train.class_names == test.class_names == ("ant", "bee", "cow")
    assert train.class_counts.tolist() == [9, 18, 1]
    assert test.class_counts.tolist() == [1, 2, 0]
    assert train.notes[-1].endswith(
        "; 1 class has a single image, which trains and is not tested: cow"
    )
    for name in ("ant", "bee"):
        shutil.rmtree(flat / name)
        draw(flat / name / "0.png")
    with pytest.raises(
        UserError, match=r"every class in .*flat has a single image, so none can be"
    ):
        load(flat)


def _png_of_size(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and holds next to nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_an_image_that_unpacks_to_too_much_is_one_line(flat: Path, load: Load) -> None:
    (flat / "ant" / "huge.png").write_bytes(_png_of_size(20_000, 20_000))
    message = r"huge\.png \(more than 179 million pixels: shrink it\)"
    with pytest.raises(UserError, match=message) as raised:
        load(flat)
    assert "\n" not in str(raised.value)
    assert len(load(flat, skip_unreadable=True)) + len(load(flat, "test")) == 30


def test_fit_and_enlarge_are_settings(tmp_path: Path, load: Load, draw: Draw) -> None:
    for name in ("ant", "bee"):
        for index in range(4):
            draw(tmp_path / "set" / name / f"{index}.png", (48, 24), index)
            draw(tmp_path / "set" / name / f"small{index}.png", (8, 8), index)
    root = tmp_path / "set"
    with pytest.raises(UserError, match=r"lower data\.resolution or set data\.enlarge=true"):
        load(root)
    crop, pad = (load(root, enlarge=True, fit=fit) for fit in ("crop", "pad"))
    assert len(crop) == len(pad) == 14
    assert crop.fingerprint != pad.fingerprint
    text = "\n".join(crop.notes)
    assert re.search(r"train data: \d images lost a third or more in the crop to a square", text)
    assert re.search(r"train data: \d images enlarged to 16 x 16", text)
    assert "padded with data.background to a square" in "\n".join(pad.notes)
    wide = np.flatnonzero((pad.images[:, :2] == 255).all((1, 2, 3)))
    assert len(wide) in {6, 7, 8}  # white above and below the wide ones
