from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contragan.core.errors import UserError
from contragan.data import ImageDataset
from contragan.inspection.found import find

Load = Callable[..., ImageDataset]


@pytest.fixture
def tiny(tmp_path: Path, draw: Callable[..., Path]) -> Path:
    root = tmp_path / "tiny"
    lines = []
    for label, wnid in enumerate(("n02", "n01", "n03")):
        for index in range(3):
            draw(root / "train" / wnid / "images" / f"{wnid}_{index}.JPEG", seed=index)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("boxes")
        draw(root / "val" / "images" / f"val_{label}.JPEG", seed=label)
        lines.append(f"val_{label}.JPEG\t{wnid}\t0\t0\t9\t9\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    (root / "words.txt").write_text("n01\ttench, Tinca tinca\nn02\tcoho\nn03\teel\nn09\tother\n")
    return root


def test_official_layout(tiny: Path, load: Load) -> None:
    train, val = load(tiny, kind="tiny_imagenet"), load(tiny, "test", kind="tiny_imagenet")
    assert train.class_names == val.class_names == ("tench", "coho", "eel")
    assert train.class_counts.tolist() == [3, 3, 3]
    assert val.labels.tolist() == [0, 1, 2]
    expected = np.asarray(Image.open(tiny / "val" / "images" / "val_1.JPEG"))
    np.testing.assert_array_equal(val.images[0], expected)


def test_partial_tree_restricts_val(tiny: Path, load: Load) -> None:
    shutil.rmtree(tiny / "train" / "n01")
    val = load(tiny, "test", kind="tiny_imagenet")
    assert val.class_names == ("coho", "eel")
    assert len(val) == 2
    assert "2 of Tiny ImageNet's 200 classes" in val.notes[0]


def test_classes_by_name_or_wnid(tiny: Path, load: Load) -> None:
    data = load(tiny, kind="tiny_imagenet", classes=("eel", "n01"))
    assert data.class_names == ("eel", "tench")
    with pytest.raises(UserError, match=r"no class 'tensh' .*nearest: tench"):
        load(tiny, kind="tiny_imagenet", classes=("eel", "tensh"))


def test_damaged_layouts(tiny: Path, load: Load) -> None:
    (tiny / "val" / "images" / "val_2.JPEG").unlink()
    with pytest.raises(UserError, match=r"val_2.JPEG is missing"):
        load(tiny, "test", kind="tiny_imagenet")
    (tiny / "val" / "val_annotations.txt").write_text("val_0.JPEG\n")
    with pytest.raises(UserError, match="line 1: expected an image name"):
        load(tiny, "test", kind="tiny_imagenet")
    (tiny / "val" / "val_annotations.txt").unlink()
    with pytest.raises(UserError, match=r"val_annotations.txt is missing"):
        load(tiny, "test", kind="tiny_imagenet")
    shutil.rmtree(tiny / "train")
    with pytest.raises(UserError, match="no class folders"):
        load(tiny, kind="tiny_imagenet")


def test_the_official_layout_is_read_as_a_users_own_folder_too(tiny: Path, load: Load) -> None:
    train, val = load(tiny), load(tiny, "test")
    assert train.class_names == val.class_names == ("n01", "n02", "n03")
    assert train.class_counts.tolist() == [3, 3, 3]
    assert val.labels.tolist() == [0, 1, 2]
    expected = np.asarray(Image.open(tiny / "val" / "images" / "val_1.JPEG"))
    np.testing.assert_array_equal(val.images[0], expected)
    found = find(tiny)
    assert found.layout == (
        "class folders, with test images in val, whose classes val_annotations.txt lists"
    )
    assert (found.held_out, found.is_test.sum()) == (False, 3)
    (tiny / "val" / "val_annotations.txt").unlink()
    # Without their classes, a share of the training images is held out instead.
    train, test = load(tiny), load(tiny, "test")
    assert (len(train), len(test)) == (6, 3)
    assert f"{tiny / 'val'} is not laid out as {tiny / 'train'} is, and is left out" in test.notes


def test_a_class_may_be_called_images(tiny: Path, load: Load) -> None:
    shutil.rmtree(tiny / "val")
    (tiny / "train" / "n01").rename(tiny / "train" / "images")
    shutil.copytree(tiny / "train" / "images" / "images", tiny / "val" / "images")
    data = load(tiny, "test")
    assert data.class_names == ("images", "n02", "n03")
    assert data.class_counts.tolist() == [3, 0, 0]
