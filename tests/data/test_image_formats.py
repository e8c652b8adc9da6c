"""What is read, what is left out, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contragan.core.errors import UserError
from contragan.data import ImageDataset, describe_classes, load_image_set
from contragan.data.formats import is_image_name
from contragan.data.value_range import Extent, decide

Load = Callable[..., ImageDataset]
Draw = Callable[..., Path]


def test_suffixes_are_pillows() -> None:
    for name in ("a.JPG", "a.jfif", "a.avif", "a.jp2", "a.tiff", "a.GIF", "a.webp", "a.ppm"):
        assert is_image_name(name), name
    for name in ("a.txt", "a.pdf", "a.eps", "a.mpg", "a.h5", "a.wmf", "a", "a.jpg.txt"):
        assert not is_image_name(name), name


@pytest.mark.parametrize("suffix", [".avif", ".jfif", ".gif", ".jp2"])
def test_other_formats_count(suffix: str, tree: Path, load: Load, draw: Draw) -> None:
    draw(tree / "train" / "ant" / f"more{suffix}")
    assert load(tree).class_counts.tolist() == [7, 6, 6]
    assert len(load_image_set(tree / "train")) == 19


def test_what_is_left_out_is_counted_by_kind(tree: Path, load: Load, draw: Draw) -> None:
    for index in range(3):
        (tree / "train" / "ant" / f"{index}.SVG").write_bytes(b"x")
    (tree / "train" / "bee" / "notes.txt").write_text("x")
    (tree / "train" / "bee" / "LICENSE").write_text("x")
    draw(tree / "train" / "bee" / ".secret.png")
    draw(tree / "train" / "loose.png")
    expected = (
        "6 files not of an image format this machine reads (3 .svg, 2 .txt, 1 without a suffix); "
        "1 hidden image; 1 image beside the class folders"
    )
    (tree / "train" / "readme.txt").write_text("x")
    for notes in (load(tree).notes, load_image_set(tree / "train").notes):
        assert notes == (f"left out of {tree / 'train'}: {expected}",)


@pytest.mark.usefixtures("without_heif")
def test_heic_without_its_plug_in(tree: Path, load: Load) -> None:
    (tree / "train" / "ant" / "a.HEIC").write_bytes(b"x" * 100)
    note = load(tree).notes[0]
    assert "(1 .heic); to read HEIC: pip install pillow-heif" in note
    (tree / "train" / "cow2").mkdir()
    (tree / "train" / "cow2" / "a.heic").write_bytes(b"x" * 100)
    with pytest.raises(UserError, match=r"cow2 holds no images: .*1 \.heic.*pillow-heif"):
        load(tree)
    (tree / "train" / "cow2" / "a.heic").rename(tree / "train" / "cow2" / "a.jpg")
    (tree / "train" / "cow2" / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic" + b"x" * 100)
    with pytest.raises(UserError, match=r"a\.jpg \(a HEIC image: pip install pillow-heif\)"):
        load(tree)


def test_heic_with_its_plug_in(tree: Path, load: Load) -> None:
    heif = pytest.importorskip("pillow_heif", reason="HEIC needs the package pillow-heif")
    heif.register_heif_opener()
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:, :12] = 250, 20, 20
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    for name in ("photo.HEIC", "renamed.jpg"):
        photo = tree / "train" / "bee" / name
        Image.fromarray(pixels).save(photo, "HEIF", exif=exif.tobytes(), quality=95)
    data = load(tree)
    assert data.class_counts.tolist() == [6, 8, 6]
    assert not any("left out" in line for line in data.notes)
    red = data.images[..., 0].astype(float)
    upright = (red[:, :7].min((1, 2)) > 200) & (red[:, 9:].max((1, 2)) < 60)
    assert data.labels[upright].tolist() == [1, 1]
    whole = photo.read_bytes()
    photo.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"renamed\.jpg \(a damaged HEIC image\)"):
        load(tree)


def test_several_frames_are_said(tree: Path, load: Load) -> None:
    frames = [Image.new("RGB", (16, 16), (value, 0, 0)) for value in (10, 200)]
    frames[0].save(tree / "train" / "ant" / "film.gif", save_all=True, append_images=frames[1:])
    data = load(tree)
    assert "1 image with several frames: the first is used" in data.notes[0]
    film = data.images[[int(image[..., 1].max()) == 0 for image in data.images]]
    assert film.shape[0] == 1
    assert film[..., 0].tolist() == np.full((1, 16, 16), 10).tolist()


def write_deep(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def test_the_range_is_that_of_the_set_and_not_of_the_image(tmp_path: Path, load: Load) -> None:
    for split in ("train", "test"):
        for name, value in (("dim", 400), ("bright", 4000 if split == "train" else 300)):
            for index in range(2):
                values = np.full((16, 16), value + index, np.uint16)
                write_deep(tmp_path / split / name / f"{index}.png", values)
    train, test = load(tmp_path), load(tmp_path, "test")
    assert train.class_names == ("bright", "dim")
    assert train.images[:, 0, 0, 0].tolist() == [4000 >> 4, 4001 >> 4, 400 >> 4, 401 >> 4]
    # The test images alone would have had nine bits.
    assert test.images[:, 0, 0, 0].tolist() == [300 >> 4, 301 >> 4, 400 >> 4, 401 >> 4]
    assert "train data: 4 images with 16-bit values: 0 to 4,095 became 0 to 255" in train.notes
    # Another maximum among the training images decodes the test images anew.
    write_deep(tmp_path / "train" / "dim" / "1.png", np.full((16, 16), 60000, np.uint16))
    assert load(tmp_path, "test").images[2, 0, 0, 0] == 400 >> 8


def test_a_range_that_is_given(tmp_path: Path, load: Load) -> None:
    for name, value in (("a", 1000), ("b", 2023)):
        for index in range(2):
            write_deep(tmp_path / name / f"{index}.png", np.full((16, 16), value, np.uint16))
    data = load(tmp_path, test_fraction=0.5, value_range=(1000.0, 2023.0))
    assert data.images[:, 0, 0, 0].tolist() == [0, 255]
    assert "1,000 to 2,023 became 0 to 255" in data.notes[-1]


def test_bad_settings(config: Callable[..., object]) -> None:
    for settings in ({"value_range": (5.0, 5.0)}, {"value_range": "full"}, {"background": "pink!"}):
        with pytest.raises(ValueError, match=r"background|value_range"):
            config(**settings)


@pytest.mark.parametrize(
    ("kind", "least", "greatest", "bounds"),
    [
        ("16-bit", 0, 1, (0, 255)),
        ("16-bit", 3, 255, (0, 255)),
        ("16-bit", 0, 256, (0, 1023)),
        ("16-bit", 0, 4095, (0, 4095)),
        ("16-bit", 0, 16384, (0, 65535)),
        ("32-bit", 0, 2**31 - 1, (0, 2**32 - 1)),
        ("32-bit", -1000, 3000, (-1000, 3000)),
        ("floating-point", 0.1, 0.9, (0, 1)),
        ("floating-point", 0.1, 200, (0, 255)),
        ("floating-point", -1.0, 1.0, (-1, 1)),
        ("floating-point", 0.5, 256, (0.5, 256)),
    ],
)
def test_ranges(kind: str, least: float, greatest: float, bounds: tuple[float, float]) -> None:
    middle = (least + greatest) / 2
    found = decide([Extent(kind, least, middle), Extent(kind, middle, greatest)])
    assert found == {kind: bounds}


def test_nan_is_an_unreadable_image(tree: Path, load: Load) -> None:
    write_deep(tree / "train" / "ant" / "x.tiff", np.full((16, 16), np.nan, np.float32))
    with pytest.raises(UserError, match=r"x\.tiff \(it holds NaN or infinite values\)"):
        load(tree)


def test_deep_values_under_a_shallow_suffix(tree: Path, load: Load) -> None:
    path = tree / "train" / "ant" / "x.png"
    write_deep(path, np.full((16, 16), 4000, np.uint16))
    path.rename(path.with_suffix(".jpg"))
    with pytest.raises(UserError, match=r"x\.jpg \(16-bit values under the suffix .*rename it"):
        load(tree)


def test_classes_that_show_nothing_are_named(tree: Path, load: Load) -> None:
    assert not load(tree).warnings
    for index in range(6):
        pixels = np.random.default_rng(index).integers(0, 16, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tree / "train" / "bee" / f"{index}.png")
    (warning,) = load(tree).warnings
    assert "class bee (0 to 15) are almost one colour" in warning
    assert "ant" not in warning
    for index in range(6):  # one colour, and not grey
        Image.new("RGB", (16, 16), (250, 10, 10)).save(tree / "train" / "ant" / f"{index}.png")
    assert "class ant (10 to 250), bee" in load(tree).warnings[0]
    for index in range(6):  # thin lines on white are not a fault
        line = np.full((16, 16, 3), 255, np.uint8)
        line[8] = 0
        Image.fromarray(line).save(tree / "train" / "ant" / f"{index}.png")
    assert "ant" not in load(tree).warnings[0]


def test_classes_are_described(tree: Path, load: Load) -> None:
    said = describe_classes(load(tree))
    assert said == "18 training images of 3 classes: ant 6, bee 6, cow 6"
    for index in range(30):
        (tree / "train" / f"x{index}").symlink_to(tree / "train" / "ant")
    said = describe_classes(load(tree))
    assert said.startswith("198 training images of 33 classes, 6 of each: ant 6, bee 6, cow 6")
    assert said.endswith("..., x29 6")
    (tree / "train" / "bee" / "0.png").unlink()
    said = describe_classes(load(tree))
    assert said.startswith("197 training images of 33 classes, 5 to 6 of each: ant 6, bee 5, cow 6")
