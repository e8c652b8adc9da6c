"""A whole check: every planted fault is found, and told so that it can be read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from in_process import contragan as _run
from PIL import Image

from contragan.inspection import Check, Finding
from contragan.inspection.found import find
from contragan.inspection.report import lines
from contragan.inspection.sheet import class_rows

Checked = tuple[Check, Path]


def found(check: Check, name: str) -> Finding:
    (one,) = [one for one in check.findings if one.name == name]
    return one


def test_what_must_be_mended(checked: Checked) -> None:
    check, _ = checked
    assert [one.name for one in check.serious] == [
        "unreadable",
        "not_read",
        "copies_in_two_classes",
        "copies_in_train_and_test",
        "tiny_classes",
    ]
    assert found(check, "unreadable").items[0]["file"] == "rings/broken.jpg"
    assert found(check, "not_read").items == ({"suffix": ".cr2", "files": 1},)
    (pair,) = found(check, "copies_in_two_classes").items
    assert sorted(pair) == ["rings/00.png", "stripes/of_two_classes.png"]
    (group,) = found(check, "copies_in_train_and_test").items
    assert sorted(group) == ["Grünfink/03.png", *(f"Grünfink/same{k}.png" for k in range(6))]
    assert found(check, "tiny_classes").items == ({"class": "tiny", "images": 3},)


def test_what_is_worth_a_look(checked: Checked) -> None:
    check, _ = checked
    suspected = {one["file"]: one["looks_like"] for one in found(check, "suspected_labels").items}
    assert suspected["stripes/mislabelled.png"] == "rings"
    assert len(suspected) <= 4
    assert found(check, "blank").items == ("stripes/blank.png",)
    assert found(check, "cropped").items == ({"file": "stripes/wide.png", "lost": 0.5},)
    assert found(check, "mixed_colours").count == 2  # the grey one, and the blank one
    near = {frozenset(pair) for pair in found(check, "near_copies").items}
    assert frozenset({"rings/05.png", "rings/mirrored.jpg"}) in near


def test_the_classes_are_counted(checked: Checked) -> None:
    check, _ = checked
    counts = {one.name: one.train + one.test for one in check.classes}
    assert counts == {"Grünfink": 30, "rings": 25, "stripes": 29, "tiny": 3}
    assert check.held_out
    assert check.layout == "class folders"
    known = {one.name: one.known for one in check.classes}
    assert known["tiny"] is None
    assert min(share for share in known.values() if share is not None) > 0.7
    assert check.facts["width"] == {"least": 48, "greatest": 96}
    assert check.facts["formats"] == {"PNG": 86, "JPEG": 1}


def test_the_text_fits_a_terminal_and_names_files(checked: Checked) -> None:
    check, _ = checked
    said = list(lines(check))
    assert max(map(len, said)) <= 80
    text = "\n".join(said)
    assert "Mend before training (5)" in text
    assert "rings/broken.jpg (" in text
    assert "To read HEIC" not in text  # none was there
    flowing = " ".join(text.split())
    assert "2 files not of an image format this machine reads (1 .cr2, 1 .txt)." in flowing
    assert "10% of each class is held out for testing." in flowing
    assert said[-1].startswith("5 things to mend, ")


def test_the_sheet_shows_classes_and_findings(checked: Checked) -> None:
    _, sheet = checked
    with Image.open(sheet) as image:
        pixels = np.asarray(image.convert("RGB"))
    # Four rows of classes at the top, then findings; every row of classes has images.
    assert pixels.shape[0] > 4 * 74 + 200
    for row in range(4):
        band = pixels[38 + 74 * row : 38 + 74 * row + 72, 130:700]
        assert band.std() > 20


def test_captions_name_the_file(checked: Checked) -> None:
    check, _ = checked
    captions = [text for _, text in found(check, "suspected_labels").pictures]
    assert "stripes → rings\nstripes/mislabelled.png" in captions
    assert [text for _, text in found(check, "cropped").pictures] == ["loses 50%\nstripes/wide.png"]


def test_the_sheet_counts_what_can_be_read(planted: Path) -> None:
    rows = class_rows(find(planted), {"rings/broken.jpg"})
    assert [name for name, _ in rows] == ["Grünfink (30)", "rings (25)", "stripes (29)", "tiny (3)"]
    assert [len(chosen) for _, chosen in rows] == [12, 12, 12, 3]


@pytest.fixture
def small(planted: Path, tmp_path: Path) -> Path:
    """Two classes of twelve images with nothing wrong but their number."""
    for name in ("rings", "stripes"):
        (tmp_path / "small" / name).mkdir(parents=True)
        for index in range(6, 18):
            shutil.copy(planted / name / f"{index:02d}.png", tmp_path / "small" / name)
    return tmp_path / "small"


def test_strict_fails_where_something_must_be_mended(
    capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path
) -> None:
    result = tmp_path / "result.json"
    code, said, _ = _run(capsys, "data", "check", small, "--strict", "--json", result)
    assert code == 0
    assert "Nothing to mend, 1 thing worth a look." in said
    assert json.loads(result.read_text())["serious"] == 0
    (small / "rings" / "bad.png").write_bytes(b"")
    assert _run(capsys, "data", "check", small)[0] == 0
    code, said, _ = _run(capsys, "data", "check", small, "--strict", "--json", result)
    assert code == 1
    assert "1 thing to mend" in said
    (one,) = [
        one for one in json.loads(result.read_text())["findings"] if one["level"] == "serious"
    ]
    assert one["items"] == [{"file": "rings/bad.png", "reason": "the file is empty"}]


def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad" / "a").mkdir(parents=True)
    (tmp_path / "bad" / "a" / "1.png").write_bytes(b"x")
    (tmp_path / "bad" / "a" / "2.png").write_bytes(b"x")
    for words, message in (
        ([tmp_path / "none"], "does not exist"),
        ([tmp_path / "empty"], "is empty"),
        ([tmp_path / "bad"], "no image of"),
        ([tmp_path / "bad", "--sheet", tmp_path / "x.gif"], "ends with .png or .jpg"),
    ):
        code, _, errors = _run(capsys, "data", "check", *words)
        assert code == 2
        assert message in errors
        assert errors.count("\n") == 1
    assert not list(tmp_path.glob("x*"))
