from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contragan.core.errors import UserError
from contragan.data import load_image_set

IMAGES = np.zeros((2, 4, 4, 3), np.uint8)


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _colour(value: int, size: int = 6) -> np.ndarray:
    return np.full((size, size + 1, 3), value, np.uint8)


def test_flat_and_class_folders(tmp_path: Path) -> None:
    for index in range(3):
        _write(tmp_path / "flat" / f"{index}.png", _colour(index))
        _write(tmp_path / "classes" / "cat" / f"{index}.png", _colour(index))
        _write(tmp_path / "classes" / "dog" / f"{index}.png", _colour(index + 3))
    flat = load_image_set(tmp_path / "flat")
    assert flat.images.shape == (3, 6, 7, 3)
    assert flat.images[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert flat.class_names == ("image",)
    classes = load_image_set(tmp_path / "classes")
    assert classes.class_names == ("cat", "dog")
    assert classes.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert classes.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    before = flat.fingerprint
    _write(tmp_path / "flat" / "1.png", _colour(9))
    assert load_image_set(tmp_path / "flat").fingerprint != before


def test_grey_folder(tmp_path: Path) -> None:
    _write(tmp_path / "a.png", np.full((4, 4), 7, np.uint8))
    assert load_image_set(tmp_path).images.shape == (1, 4, 4, 1)


def test_npz_files(tmp_path: Path) -> None:
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    np.savez(tmp_path / "named.npz", images=images, labels=[1, 0], class_names=["x", "y"])
    named = load_image_set(tmp_path / "named.npz")
    assert np.array_equal(named.images, images)
    assert named.labels.tolist() == [1, 0]
    assert named.class_names == ("x", "y")
    assert not named.notes
    np.savez(tmp_path / "unlabelled.npz", images=images, class_names=["x", "y"])
    unlabelled = load_image_set(tmp_path / "unlabelled.npz")
    assert unlabelled.class_names == ("image",)
    assert any("class_names are not used" in note for note in unlabelled.notes)
    np.savez(tmp_path / "plain.npz", images[..., 0])
    assert load_image_set(tmp_path / "plain.npz").images.shape == (2, 4, 4, 1)


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        load_image_set(tmp_path / "missing")
    with pytest.raises(UserError, match="is empty; expected images"):
        load_image_set(tmp_path)
    _write(tmp_path / "a" / "1.png", _colour(1))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"b holds no images: .*1 \.txt"):
        load_image_set(tmp_path)
    _write(tmp_path / "b" / "2.png", _colour(1, size=9))
    with pytest.raises(
        UserError, match=r"2\.png is 10 x 9 pixels, the images before it are 7 x 6: .*--resolution"
    ):
        load_image_set(tmp_path)
    _write(tmp_path / "b" / "2.png", _colour(1))
    data = (tmp_path / "b" / "2.png").read_bytes()
    (tmp_path / "b" / "2.png").write_bytes(data[:40])
    with pytest.raises(UserError, match=r"unreadable image: .*2\.png"):
        load_image_set(tmp_path)
    (tmp_path / "c.png").write_bytes(data)
    with pytest.raises(UserError, match=r"neither a folder of images nor an \.npz"):
        load_image_set(tmp_path / "c.png")


def test_images_beside_class_folders_and_other_files_are_counted(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/2.png", "c.png"):
        _write(tmp_path / name, _colour(1))
    (tmp_path / "b" / "notes.txt").write_text("x")
    loaded = load_image_set(tmp_path)
    assert loaded.labels.tolist() == [0, 1]
    assert "1 file not of an image format this machine reads (1 .txt)" in loaded.notes[0]
    assert "1 image beside the class folders" in loaded.notes[0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pixels": np.zeros((2, 4, 4, 3), np.uint8)}, "expected an array called images"),
        ({"images": np.zeros((2, 4, 4, 3), np.float32)}, "expected uint8"),
        ({"images": np.zeros((2, 3, 4, 4), np.uint8)}, "expected uint8"),
        ({"images": np.zeros((0, 4, 4, 3), np.uint8)}, "holds no images"),
        (
            {"images": np.zeros((2, 4, 4, 3), np.uint8), "labels": np.zeros(3, int)},
            "labels of shape",
        ),
        ({"images": np.zeros((1, 4, 4, 3), np.uint8), "labels": np.array([-1])}, "negative"),
        (
            {
                "images": np.zeros((1, 4, 4, 3), np.uint8),
                "labels": np.array([2]),
                "class_names": np.array(["a"]),
            },
            "names 1 classes, its labels need 3",
        ),
    ],
)
def test_bad_npz_files(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", allow_pickle=True, **arrays)
    with pytest.raises(UserError, match=message):
        load_image_set(tmp_path / "bad.npz")


def test_npz_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"zip?")
    with pytest.raises(UserError, match="cannot be read as an npz"):
        load_image_set(tmp_path / "bad.npz")


def _saved(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _array_file() -> bytes:
    file = io.BytesIO()
    np.save(file, IMAGES)
    return file.getvalue()


def _damaged() -> bytes:
    content = bytearray(_saved(images=IMAGES))
    start = content.index(b"images.npy") + len("images.npy")
    content[start + 20 : start + 60] = b"\xff" * 40
    return bytes(content)


ODD = {
    "deflate": (_damaged(), "cannot be read as an npz"),
    "npy": (_array_file(), r"it is a \.npy file"),
    "object": (_saved(images=np.array([None, {}])), "cannot be read as an npz"),
    "single": (_saved(images=IMAGES[0]), r"a single image of shape \(4, 4, 3\): expected"),
    "flat": (_saved(images=np.zeros((2, 0, 4, 3), np.uint8)), "holds no images"),
    "huge label": (_saved(images=IMAGES, labels=[0, 10**12]), "holds the label 1000000000000"),
    "unsigned": (
        _saved(images=IMAGES, labels=np.array([0, 2**64 - 1], np.uint64)),
        "holds the label 18446744073709551615",
    ),
    "float labels": (_saved(images=IMAGES, labels=[0.0, 1.0]), "float64 labels"),
    "one name": (_saved(images=IMAGES, labels=[0, 0], class_names="cat"), r"class_names of shape"),
    "number names": (
        _saved(images=IMAGES, labels=[0, 0], class_names=[0.5]),
        r"float64 class_names",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_npz_files_get_one_line(name: str, tmp_path: Path) -> None:
    content, message = ODD[name]
    (tmp_path / "odd.npz").write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        load_image_set(tmp_path / "odd.npz")
    assert "\n" not in str(raised.value)


def test_other_arrays_of_an_npz_file_are_left_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, more=np.array([None]))
    assert load_image_set(tmp_path / "a.npz").images.shape == (2, 4, 4, 3)
