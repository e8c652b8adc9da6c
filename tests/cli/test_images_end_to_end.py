"""Folders of images from the command line: trained on, drawn, and compared."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from in_process import contragan as run
from PIL import Image, ImageFont

import contragan as package
from contragan.core import fonts
from contragan.core.errors import UserError
from contragan.core.pictures import labelled_grid
from contragan.data import image_set
from contragan.recipes.schema import load_recipe

SMALL = [
    "generator.channels=4",
    "generator.latent_dim=6",
    "generator.shared_dim=8",
    "discriminator.channels=4",
    "conditioning.embedding_dim=8",
    "data.resolution=16",
    "training.batch_size=4",
    "training.precision=fp32",
    "training.total_iterations=1",
    "training.evaluate_every_iterations=null",
    "evaluation.features=pixels",
    "evaluation.num_images=8",
]
UNCONDITIONAL = [
    *(word for word in SMALL if not word.startswith(("conditioning", "training.evaluate"))),
    "conditioning={kind: unconditional}",
    "generator.conditional=false",
    "training.evaluate_every_iterations=1",
]
PIXELS = ["--features", "pixels", "--metrics", "frechet_distance"]


def settings(overrides: list[str]) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


def draw(root: Path, *names: str, count: int = 6, size: int = 16, mode: str = "RGB") -> Path:
    random = np.random.default_rng(0)
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(pixels).convert(mode).save(root / name / f"{index}.png")
    return root


def distance(text: str) -> float:
    line = next(line for line in text.splitlines() if "chet distance (" in line)
    return float(line.split("│")[2])


@pytest.fixture(scope="module")
def numbered_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on class folders 1 to 11."""
    from rich.console import Console

    from contragan.training.setup import Request
    from contragan.training.train import train

    folder = tmp_path_factory.mktemp("numbered")
    draw(folder / "data", *map(str, range(1, 12)))
    recipe = load_recipe("folder/contragan-eq7-32", SMALL)
    request = Request("folder/contragan-eq7-32", recipe, data=folder / "data", out=folder / "run")
    train(request, Console(quiet=True))
    return folder / "run"


def test_a_number_is_a_name_first_and_an_integer_an_index(numbered_run: Path) -> None:
    model = package.load(numbered_run)
    assert model.class_names == tuple(str(number) for number in range(1, 12))
    with pytest.warns(UserWarning, match="4 is the class of that name, not index 4, which is '5'"):
        assert model.class_indices(["4"]) == [3]
    with pytest.warns(UserWarning, match="4 is the index of class '5', not the class called '4'"):
        assert model.class_indices([4]) == [4]
    with pytest.warns(UserWarning, match="4 is the class of that name"):
        model.sample(["4"], num=2)
    assert model.resolve(["0", "11"]) == ([0, 10], [])  # they can mean one class only
    assert model.resolve([0]) == ([0], [])


def test_where_names_are_their_indices_nothing_is_said(trained_run: Path) -> None:
    assert package.load(trained_run).resolve(["4", 4, "0"]) == ([4, 4, 0], [])


def test_sample_says_which_class_a_number_meant(
    capsys: pytest.CaptureFixture[str], numbered_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "four.npz"
    code, said, _ = run(capsys, "sample", numbered_run, "--classes", "4", "--num", 2, "--out", out)
    assert code == 0
    assert "note: 4 is the class of that name, not index 4, which is '5'" in said
    with np.load(out) as arrays:
        assert arrays["class_names"][arrays["labels"]].tolist() == ["4", "4"]


def test_an_old_runs_order_is_kept(
    capsys: pytest.CaptureFixture[str], numbered_run: Path, tmp_path: Path
) -> None:
    data = numbered_run.parent / "data"
    old, words = tmp_path / "old", ["train", "folder/contragan-eq7-32", *settings(SMALL)]
    names = ["1", "10", "11", *map(str, range(2, 10))]
    code, *_ = run(capsys, *words, "--data", data, "--out", old,
                   "--set", f"data.classes={json.dumps(names)}")  # fmt: skip
    assert code == 0
    # As a run looks that was made when "10" came before "2".
    recipe = (old / "recipe.yaml").read_text()
    begin, end = recipe.index("  classes:"), recipe.index("  kind: folder")
    (old / "recipe.yaml").write_text(recipe[:begin] + "  classes: null\n" + recipe[end:])
    code, said, errors = run(capsys, *words, "--data", data, "--out", old, "--resume",
                             "--set", "training.total_iterations=2")  # fmt: skip
    assert (code, errors) == (0, "")
    assert "not what" not in said  # the same images in the same order
    assert json.loads((old / "dataset.json").read_text())["class_names"] == names
    code, said, errors = run(capsys, "evaluate", old, *PIXELS)
    assert (code, errors) == (0, "")
    assert "not those that the run" not in said


def test_training_without_labels(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in (".", "one"):
        data = draw(tmp_path / name / "photos", name, count=12)
        out = tmp_path / f"run-{len(name)}-{name.strip('.')}"
        code, said, errors = run(capsys, "train", "folder/contragan-eq7-32", "--data", data,
                                 "--out", out, *settings(UNCONDITIONAL))  # fmt: skip
        assert (code, errors) == (0, "")
        assert "training images of 1 class: " in said
        assert "Left out: class_fidelity needs at least two classes" in said
        code, said, errors = run(capsys, "evaluate", out, "--features", "pixels")
        assert (code, errors) == (0, "")
        assert distance(said) > 0
        code, _, errors = run(capsys, "evaluate", out, "--features", "pixels",
                              "--metrics", "class_fidelity")  # fmt: skip
        assert code == 2
        assert "class_fidelity needs at least two classes" in errors


def test_batch_size_one_gets_a_remedy_that_works() -> None:
    with pytest.raises(UserError, match=r"set it to 2 or more, .*projection") as raised:
        load_recipe("folder/contragan-eq7-32", ["training.batch_size=1"])
    remedy = str(raised.value).partition("--set '")[2].partition("'")[0]
    assert load_recipe("folder/contragan-eq7-32", ["training.batch_size=1", remedy])
    assert load_recipe("folder/contragan-eq7-32", ["training.batch_size=2"])
    for size, parts in ((6, 3), (9, 3), (5, 1)):
        given = [f"training.batch_size={size}", f"training.accumulation_steps={size}"]
        with pytest.raises(UserError, match=f"fewer training.accumulation_steps: {parts} at most"):
            load_recipe("folder/contragan-eq7-32", given)
        given[1] = f"training.accumulation_steps={parts}"
        assert load_recipe("folder/contragan-eq7-32", given)


def test_sets_of_unlike_sizes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    small, large = draw(tmp_path / "small", "a", "b"), draw(tmp_path / "large", "a", "b", size=48)
    code, _, errors = run(capsys, "evaluate", small, large, *PIXELS)
    assert code == 2
    assert "of 16 x 16 pixels" in errors
    assert "--resolution 16" in errors
    result = tmp_path / "result.json"
    words = ["evaluate", small, large, *PIXELS, "--resolution", 16, "--json", result]
    code, _, errors = run(capsys, *words)
    assert (code, errors) == (0, "")
    stated = json.loads(result.read_text())["protocol"]["images"]
    assert stated == {
        "size": "centre crop, Lanczos to 16 x 16",
        "background": "white",
        "value_range": "auto",
    }
    code, _, errors = run(capsys, "evaluate", small, large, *PIXELS, "--resolution", 32)
    assert code == 2
    assert "(16 x 16 pixels, smaller than the resolution 32)" in errors
    assert (
        "lower data.resolution or set data.enlarge=true (in an evaluation --resolution and"
        in errors
    )
    np.savez(tmp_path / "large.npz", np.zeros((12, 48, 48, 3), np.uint8))
    code, *_ = run(capsys, "evaluate", small, tmp_path / "large.npz", *PIXELS, "--resolution", 16)
    assert code == 0


def test_grey_and_colour_are_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    grey = draw(tmp_path / "grey", ".", mode="L")
    colour = tmp_path / "colour"
    colour.mkdir()
    for path in grey.iterdir():
        Image.open(path).convert("RGB").save(colour / path.name)
    code, said, _ = run(capsys, "evaluate", grey, colour, *PIXELS)
    assert code == 0
    assert "note: grey is grey and compared as if in colour" in said
    assert distance(said) == pytest.approx(0, abs=1e-6)
    # One grey image among those in colour.
    Image.open(grey / "0.png").save(colour / "0.png")
    assert distance(run(capsys, "evaluate", grey, colour, *PIXELS)[1]) == pytest.approx(0, abs=1e-6)


def test_unreadable_images_can_be_left_out_of_both_sets(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first, second = draw(tmp_path / "first", "a", "b"), draw(tmp_path / "second", "a", "b")
    (first / "a" / "0.png").write_bytes(b"x")
    code, _, errors = run(capsys, "evaluate", first, second, *PIXELS)
    assert code == 2
    assert "a/0.png" in errors
    assert "--skip-unreadable" in errors
    code, said, _ = run(capsys, "evaluate", first, second, *PIXELS, "--skip-unreadable")
    assert code == 0
    assert f"left out: 1 unreadable image, the first is {first}/a/0.png (" in said
    assert "second, 12 images" in said


def test_backgrounds_and_ranges_of_two_sets(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "clear").mkdir()
    (tmp_path / "black").mkdir()
    for index in range(4):
        Image.new("RGBA", (8, 8), (index, 9, 9, 0)).save(tmp_path / "clear" / f"{index}.png")
        Image.new("RGB", (8, 8)).save(tmp_path / "black" / f"{index}.png")
    words = ["evaluate", tmp_path / "clear", tmp_path / "black", *PIXELS]
    assert distance(run(capsys, *words)[1]) == pytest.approx(8 * 8 * 3)
    assert distance(run(capsys, *words, "--background", "black")[1]) == pytest.approx(0, abs=1e-6)
    for option, value in (
        ("--background", "pink!"),
        ("--value-range", "9"),
        ("--value-range", "5,5"),
    ):
        code, _, errors = run(capsys, *words, option, value)
        assert code == 2
        assert errors.startswith(f"error: {option} {value}")


def test_a_run_among_the_sets_is_named(
    capsys: pytest.CaptureFixture[str], trained_run: Path, tmp_path: Path
) -> None:
    code, _, errors = run(capsys, "evaluate", trained_run, draw(tmp_path / "d", "a"), *PIXELS)
    assert code == 2
    assert "is a run and not a set of images" in errors


def test_a_set_is_never_nameless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(draw(tmp_path / "photos", "."))
    assert image_set.load_image_set(Path()).name == "photos"


def test_a_folder_beyond_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = draw(tmp_path / "set", "a", "b")
    held = image_set.load_image_set(root)
    monkeypatch.setattr(image_set, "fits_in_memory", lambda *_: False)
    mapped = image_set.load_image_set(root)
    assert isinstance(mapped.images, np.memmap)
    np.testing.assert_array_equal(mapped.images, held.images)
    assert mapped.fingerprint == held.fingerprint
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(UserError, match=r"the 12 images of .*, 16 x 16, take 9\.2 kB, but"):
        image_set.load_image_set(root)


def test_class_names_in_other_scripts_are_legible() -> None:
    for name in ("собака", "قط", "Ψάρι", "čtyři"):
        assert isinstance(fonts.font_for(name, 12), ImageFont.FreeTypeFont), name
        assert not fonts.illegible([name])
    # Boxes would look alike.
    images, labels = torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.tensor([0, 1])
    grid = np.asarray(labelled_grid(images, labels, ("нога", "рука")))
    half = grid.shape[0] // 2
    assert (grid[1:half, :40] != grid[half : 2 * half - 1, :40]).any()


def test_boxes_are_not_letters() -> None:
    """matplotlib brings a font along that has a box for every character."""
    assert not [path for path in fonts._paths() if "lastresort" in path.lower()]
    assert fonts.font_for("\U000ffffd", 12) is None  # for private use: no script has it


def test_a_name_that_no_font_has(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "\U0001f98a\U000e01ef狐"
    monkeypatch.setattr(fonts, "_paths", lambda: iter(()))
    fonts._path_for.cache_clear()
    images, labels = torch.zeros(1, 3, 32, 32, dtype=torch.uint8), torch.tensor([0])
    shown = np.asarray(labelled_grid(images, labels, (name,)))
    np.testing.assert_array_equal(shown, np.asarray(labelled_grid(images, labels, ("class 0",))))
    (line,) = fonts.illegible([name, name, "cat"])
    assert line.startswith(f"no font here has the letters of {name}: pictures show the index")
    fonts._path_for.cache_clear()
