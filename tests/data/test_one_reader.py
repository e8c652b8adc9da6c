"""Every Pillow mode and orientation, read by training and by evaluation to the same pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image

from contragan.core.errors import UserError
from contragan.data import ImageDataset, load_image_set
from contragan.data.preprocess import Preprocess

Load = Callable[..., ImageDataset]

# Four flat quarters, so that conversions that round, and JPEG, can be held to a small tolerance.
COLOURS = np.array([[[200, 40, 40], [30, 180, 60]], [[20, 60, 210], [120, 120, 120]]], np.uint8)
PICTURE = COLOURS.repeat(8, 0).repeat(8, 1)
GREY = np.asarray(Image.fromarray(PICTURE).convert("L"))


def both_doors(root: Path, write: Callable[[Path], object], load: Load) -> np.ndarray:
    """The image that ``write`` makes, which training and evaluation must read alike."""
    for name in "ab":
        for index in range(2):
            path = root / name / str(index)
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
    trained = load(root, test_fraction=0.5)
    evaluated = load_image_set(root)
    assert trained.images.shape == (2, 16, 16, 3)
    shown = np.broadcast_to(evaluated.images[0], (16, 16, 3))
    np.testing.assert_array_equal(trained.images[0], shown)
    assert trained.class_names == evaluated.class_names
    image: np.ndarray = trained.images[0].astype(int)
    return image


def saved(image: Image.Image, suffix: str, **options: Any) -> Callable[[Path], object]:
    return lambda path: image.save(path.with_suffix(suffix), **options)


def in_mode(mode: str) -> Image.Image:
    """The picture in one of Pillow's modes."""
    colour = Image.fromarray(PICTURE)
    if mode.startswith("I;16"):
        order = ">" if mode.endswith("B") else "<"
        raw = (GREY.astype(np.uint16) * 257).astype(f"{order}u2").tobytes()
        return Image.frombytes("I;16B" if order == ">" else "I;16", (16, 16), raw)
    special = {
        "I": lambda: Image.fromarray(GREY.astype(np.int32)),
        "F": lambda: Image.fromarray(GREY.astype(np.float32) / 255),
        "1": lambda: colour.convert("L").point(lambda value: 255 * (value > 90)).convert("1"),
        "La": lambda: colour.convert("LA").convert("La"),
        "RGBa": lambda: colour.convert("RGBA").convert("RGBa"),
        "P": lambda: colour.convert("P", palette=Image.Palette.ADAPTIVE),
        "PA": lambda: colour.convert("P", palette=Image.Palette.ADAPTIVE).convert("PA"),
    }
    return special[mode]() if mode in special else colour.convert(mode)


ALL_GREY = {"L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}


def expected(mode: str) -> np.ndarray:
    if mode == "1":
        return np.where(GREY > 90, 255, 0)[..., None].repeat(3, 2)
    return GREY[..., None].repeat(3, 2).astype(int) if mode in ALL_GREY else PICTURE.astype(int)


@pytest.mark.parametrize("mode", Image.MODES)
def test_every_mode(mode: str) -> None:
    read = Preprocess(16, 3, False)(in_mode(mode)).astype(int)
    # Eight bits of LAB are coarser than eight bits of RGB.
    np.testing.assert_allclose(read, expected(mode), atol=6 if mode == "LAB" else 3)
    grey = Preprocess(16, 1, False)(in_mode(mode)).astype(int)[..., 0]
    np.testing.assert_allclose(grey, expected(mode) @ [0.299, 0.587, 0.114], atol=3)


IN_FILES = {
    ".png": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    ".tiff": [
        "1",
        "L",
        "LA",
        "P",
        "RGB",
        "RGBA",
        "I;16",
        "I;16B",
        "I",
        "F",
        "CMYK",
        "LAB",
        "YCbCr",
    ],
    ".jpg": ["L", "RGB", "CMYK", "YCbCr"],
    ".jfif": ["RGB"],
    ".webp": ["RGB", "RGBA"],
    ".avif": ["RGB", "RGBA"],
    ".gif": ["L", "P"],
    ".jp2": ["L", "RGB", "I;16"],
    ".tga": ["RGB", "RGBA"],
    ".ico": ["RGBA"],
    ".qoi": ["RGB"],
}
FILES = [(mode, suffix) for suffix, modes in IN_FILES.items() for mode in modes]


@pytest.mark.parametrize(("mode", "suffix"), FILES)
def test_every_mode_in_files(mode: str, suffix: str, tmp_path: Path, load: Load) -> None:
    if (mode, suffix) == ("YCbCr", ".tiff") and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow before 13 does not read the TIFF files of this mode that it writes")
    options: dict[str, dict[str, Any]] = {
        ".jpg": {"quality": 95},
        ".jfif": {"quality": 95},
        ".avif": {"quality": 95},
        ".webp": {"lossless": True},
    }
    write = saved(in_mode(mode), suffix, **options.get(suffix, {}))
    read = both_doors(tmp_path / "set", write, load)
    lossy = suffix in {".jpg", ".jfif", ".avif"}
    # Where the quarters meet, lossy formats mix their colours.
    inside = (slice(None, None, 15) if lossy else slice(None),) * 2
    np.testing.assert_allclose(read[inside], expected(mode)[inside], atol=12 if lossy else 6)


def upright(orientation: int, stored: np.ndarray) -> np.ndarray:
    """A stored (H, W, C) image as EXIF's orientation says it is seen."""
    return {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(stored),
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", [".png", ".jpg", ".webp", ".tiff", "16-bit .png"])
def test_every_orientation(orientation: int, kind: str, tmp_path: Path, load: Load) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    deep = kind.startswith("16")
    image = in_mode("I;16") if deep else Image.fromarray(PICTURE)
    options: dict[str, dict[str, Any]] = {".jpg": {"quality": 98}, ".webp": {"lossless": True}}
    write = saved(image, kind.rpartition(" ")[2], exif=exif, **options.get(kind, {}))
    read = both_doors(tmp_path / "set", write, load)
    shown = upright(orientation, GREY[..., None].repeat(3, 2) if deep else PICTURE)
    corners = np.ix_([0, -1], [0, -1])
    np.testing.assert_allclose(read[corners], shown[corners].astype(int), atol=12)


DAMAGED_EXIF = [
    b"Exif\0\0no TIFF at all",
    b"Exif\0\0II*\0\x08\0\0\0\x05\0",  # five entries, and none there
    b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x0e\0\x02\0\0\xff\xff\0\0\0\x1a",  # a text beyond the end
]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as contragan.data.formats has it
@pytest.mark.parametrize("exif", DAMAGED_EXIF)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_photo_is_read_whatever_its_exif(
    exif: bytes, suffix: str, tmp_path: Path, load: Load
) -> None:
    write = saved(Image.fromarray(PICTURE), suffix, exif=exif, quality=98)
    read = both_doors(tmp_path / "set", write, load)
    corners = np.ix_([0, -1], [0, -1])
    np.testing.assert_allclose(read[corners], PICTURE[corners].astype(int), atol=12)


def png16(pixels: np.ndarray, path: Path) -> None:
    """Write (H, W, C) uint16 as PNG, which Pillow does for one channel only."""
    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    path.with_suffix(".png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def tiff16(pixels: np.ndarray, path: Path, order: str) -> None:
    """Write (H, W, 3) uint16 as an uncompressed TIFF in a byte order, ``<`` or ``>``."""
    height, width, channels = pixels.shape
    data = pixels.astype(f"{order}u2").tobytes()
    tags = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, 3, 0),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 8),
        (277, 3, 1, channels),
        (278, 3, 1, height),
        (279, 4, 1, len(data)),
    ]
    start = 8 + len(data)
    after = start + 2 + 12 * len(tags) + 4
    directory = struct.pack(f"{order}H", len(tags))
    for tag, kind, count, value in tags:
        directory += struct.pack(f"{order}HHI", tag, kind, count)
        if count == 3:
            directory += struct.pack(f"{order}I", after)
        else:
            directory += struct.pack(
                f"{order}{'HH' if kind == 3 else 'I'}", value, *[0] * (kind == 3)
            )
    mark = b"II" if order == "<" else b"MM"
    path.with_suffix(".tif").write_bytes(
        mark
        + struct.pack(f"{order}HI", 42, start)
        + data
        + directory
        + struct.pack(f"{order}I", 0)
        + struct.pack(f"{order}HHH", 16, 16, 16)
    )


def twelve_bits(channels: int) -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 4096, (16, 16, channels)).astype(np.uint16)
    values[0, 0] = 4095
    return values


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_twelve_bits_in_png(channels: int, tmp_path: Path, load: Load) -> None:
    values = twelve_bits(channels)
    if channels == 4:
        values[..., 3] = 65535  # opaque
    read = both_doors(tmp_path / "set", lambda path: png16(values, path), load)
    colours = values[..., :1] if channels == 1 else values[..., :3]
    np.testing.assert_array_equal(read, np.broadcast_to(colours >> 4, (16, 16, 3)))


@pytest.mark.parametrize("order", ["<", ">"])
def test_twelve_bits_in_tiff(order: str, tmp_path: Path, load: Load) -> None:
    values = twelve_bits(3)
    read = both_doors(tmp_path / "set", lambda path: tiff16(values, path, order), load)
    np.testing.assert_array_equal(read, values >> 4)


def test_sixteen_bit_grey_and_alpha_is_not_black(tmp_path: Path, load: Load) -> None:
    values = twelve_bits(2)
    values[..., 1] = 65535
    read = both_doors(tmp_path / "set", lambda path: png16(values, path), load)
    np.testing.assert_allclose(read[..., 0], values[..., 0] >> 4, atol=16)


def test_transparency_is_read_alike(tmp_path: Path, load: Load) -> None:
    pixels = np.dstack([PICTURE, np.where(np.arange(256).reshape(16, 16) % 2, 255, 0)])
    image = Image.fromarray(pixels.astype(np.uint8))
    read = both_doors(tmp_path / "set", saved(image, ".png"), load)
    np.testing.assert_array_equal(read[:, 1::2], PICTURE[:, 1::2])
    assert (read[:, ::2] == 255).all()


@pytest.mark.parametrize("mode", ["P", "L", "RGB", "I;16"])
def test_a_colour_that_is_transparent(mode: str, tmp_path: Path, load: Load) -> None:
    image = in_mode(mode)
    corner = image.getpixel((0, 0))
    read = both_doors(tmp_path / "set", saved(image, ".png", transparency=corner), load)
    assert (read[:8, :8] == 255).all()
    np.testing.assert_allclose(read[8:], expected(mode)[8:], atol=3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".avif", ".webp", ".tiff", ".gif", ".jp2"])
@pytest.mark.parametrize("named", ["rightly", ".png"])
def test_a_damaged_file_is_one_line(
    suffix: str, named: str, tmp_path: Path, tree: Path, load: Load
) -> None:
    whole = tmp_path / f"whole{suffix}"
    in_mode("RGB").save(whole)
    content = whole.read_bytes()
    path = tree / "train" / "bee" / f"x{suffix if named == 'rightly' else named}"
    for damaged in (content[: len(content) // 2], content[:40], b"\0" * 500):
        if suffix in {".jp2", ".gif"} and len(damaged) > 40:
            continue  # their decoders show what there is
        path.write_bytes(damaged)
        for door, root in ((load, tree), (load_image_set, tree / "train")):
            with pytest.raises(UserError, match="unreadable image") as raised:
                door(root)
            assert "\n" not in str(raised.value)
            assert str(path) in str(raised.value)
