"""``contragan init`` on the command line: what it writes, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
from in_process import exit_code
from PIL import Image

from contragan.drafting import draft as drafting
from contragan.drafting.measure import Cost
from contragan.recipes.schema import load_recipe
from contragan.training.setup import Request


def run(*words: str) -> int:
    return exit_code("init", *words)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    random = np.random.default_rng(0)
    for name in ("otter", "морж"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(8):
            noise = random.integers(0, 256, (40, 32, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "photos" / name / f"{index}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(drafting, "cost", lambda *_: Cost(0.5, 10**8, 10**7))
    return tmp_path / "photos"


def test_the_recipe_knows_where_the_images_lie(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("photos", "--hours", "2") == 0
    said = capsys.readouterr().out
    for part in (
        "14 training images of 2 classes, 7 of each\n",
        ": 10% of each class is held out for testing\n",
        "copies and wrong labels were not looked for: contragan data check does that\n",
        "resolution    32 x 32: the largest that 2 hours and these images allow",
        "mirroring     off: there are too few labelled images to tell",
        "augmentation  DiffAugment",
        "about 1 h ",
        "now: contragan train my-recipe.yaml\n",
    ):
        assert part in said
    assert "left out" not in said
    recipe = load_recipe("my-recipe.yaml")
    assert Request("my-recipe.yaml", recipe).data == photos
    assert Request("my-recipe.yaml", recipe, data=Path("elsewhere")).data == Path("elsewhere")


def test_what_the_recipe_will_not_see_is_said(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "otter" / "empty.jpg").write_bytes(b"")
    (photos / "otter" / "raw.CR2").write_bytes(b"x")
    assert run("photos", "--hours", "2") == 0
    said = capsys.readouterr().out
    assert "\n1 file cannot be opened: contragan data check names each\n" in said
    assert "files not of an image format" not in said
    assert "1 file not of an image format this machine reads (1 .cr2)\n" in said
    assert said.endswith("now: contragan train my-recipe.yaml --skip-unreadable\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "there.yaml"], "there.yaml is there already"),
        (["--out", "recipe.json"], "give a name that ends in .yaml"),
        (["--hours", "0.01"], "--hours 0.01: give at least 0.05"),
        (["--resolution", "512"], "--resolution 512"),
    ],
)
def test_refused(
    photos: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    (photos.parent / "there.yaml").write_text("mine")
    assert run("photos", *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert sorted(p.name for p in photos.parent.glob("*.*")) == ["there.yaml"]
    assert (photos.parent / "there.yaml").read_text() == "mine"
