"""A small data set with every fault planted once, and what a check says of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from contragan.inspection import Check, CheckRequest, check_data

CLASSES = ("Grünfink", "stripes", "rings")
EACH = 24


def draw(kind: str, seed: int) -> Image.Image:
    """A disc, stripes or rings of random place and shade, 48 x 48, on noise."""
    random = np.random.default_rng([seed, CLASSES.index(kind)])
    ground = random.integers(0, 90, (6, 6, 3), np.uint8)
    image = Image.fromarray(ground).resize((48, 48), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    bright = tuple(int(value) for value in random.integers(150, 255, 3))
    x, y = (int(value) for value in random.integers(14, 34, 2))
    if kind == "Grünfink":
        pen.ellipse((x - 10, y - 10, x + 10, y + 10), bright)
    elif kind == "stripes":
        for place in range(int(random.integers(0, 6)), 48, 9):
            pen.rectangle((place, 0, place + 3, 48), bright)
    else:
        for radius in (4, 9, 14, 19):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), None, bright, 2)
    return image


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders without a test folder; see the names of the files for what is wrong."""
    root = tmp_path_factory.mktemp("data") / "planted"
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for index in range(EACH):
            draw(name, index).save(root / name / f"{index:02d}.png")
    shutil.copy(root / "rings" / "00.png", root / "stripes" / "of_two_classes.png")
    draw("rings", 100).save(root / "stripes" / "mislabelled.png")
    for place in range(6):  # so many that the test images hold one, and the training images too
        shutil.copy(root / "Grünfink" / "03.png", root / "Grünfink" / f"same{place}.png")
    ImageOps.mirror(draw("rings", 5)).save(root / "rings" / "mirrored.jpg", quality=85)
    (root / "rings" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    (root / "rings" / "photo.CR2").write_bytes(b"x")
    (root / "rings" / "notes.txt").write_text("x")
    draw("stripes", 50).resize((96, 48)).save(root / "stripes" / "wide.png")
    draw("stripes", 51).convert("L").save(root / "stripes" / "grey.png")
    Image.new("RGB", (48, 48), (9, 9, 9)).save(root / "stripes" / "blank.png")
    (root / "tiny").mkdir()
    for index in range(3):
        draw("rings", 200 + index).save(root / "tiny" / f"{index}.png")
    return root


@pytest.fixture(scope="session")
def checked(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Check, Path]:
    """The check of :func:`planted`, and its contact sheet."""
    from rich.console import Console

    sheet = tmp_path_factory.mktemp("sheet") / "sheet.png"
    return check_data(CheckRequest(planted, sheet, "cpu"), Console(quiet=True)), sheet
