"""The command line: what it prints, and one clear line with exit code 2 for bad input."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from in_process import contragan
from PIL import Image
from systems import posix_signals

from contragan.core.files import write_text
from contragan.recipes.catalog import recipe_text
from contragan.runs.checkpoint import verify
from contragan.runs.run import is_run, open_run


def draw_classes(root: Path, counts: dict[str, int], size: int = 32) -> Path:
    random = np.random.default_rng(0)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for index in range(count):
            pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


SMALL_FOLDER = [
    "generator.channels=8",
    "generator.latent_dim=16",
    "generator.shared_dim=8",
    "discriminator.channels=8",
    "conditioning.embedding_dim=16",
    "training.batch_size=8",
    "training.precision=fp32",
    "training.total_iterations=2",
    "training.evaluate_every_iterations=null",
    "training.evaluate_at_start=false",
]


def settings(overrides: list[str]) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


def refused(
    capsys: pytest.CaptureFixture[str], words: list[str], expected: str, out: Path | None = None
) -> None:
    code, _, errors = contragan(capsys, *words)
    assert code == 2
    lines = errors.strip().splitlines()
    assert lines[-1].startswith("error: ")
    assert len(lines) == 1
    assert expected in errors
    assert out is None or not out.exists()


def test_recipes_are_listed_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = contragan(capsys, "recipes")
    assert code == 0
    assert any(line.startswith("cifar10/contragan ") for line in said.splitlines())
    code, said, _ = contragan(capsys, "recipes", "show", "cifar10/contragan")
    assert code == 0
    assert "embedding_dim: 512" in said
    code, said, _ = contragan(capsys, "recipes", "--family", "tiny-imagenet/", "--search", "SAGAN")
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == ["tiny-imagenet/sagan"]
    refused(capsys, ["recipes", "--family", "cifar"], "choose from cifar10, digits, folder")
    refused(capsys, ["recipes", "--search", "stylegan"], "no recipe's name or description has")


def test_a_recipe_under_its_former_name(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, errors = contragan(capsys, "recipes", "show", "folder/contragan-64")
    assert code == 0
    assert errors.startswith(
        "note: the recipe folder/contragan-64 is called folder/contragan-eq7-64"
    )
    assert contragan(capsys, "recipes", "show", "folder/contragan-eq7-64") == (0, said, "")


def test_start_up_is_quick() -> None:
    """The heavy imports are lazy: none of them is loaded for help or the list of recipes."""
    heavy = "{'torch', 'lightning', 'sklearn', 'matplotlib', 'torchvision', 'numpy'}"
    for words in (["--help"], ["recipes"]):
        script = (
            f"import sys; sys.argv = ['contragan', *{words!r}]\n"
            "from contragan.cli import main\n"
            "try: main()\n"
            f"except SystemExit: print(sorted({heavy} & set(sys.modules)), file=sys.stderr)\n"
        )
        started = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert ended.stderr.strip() == "[]"
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["recipes", "show", "cifar/contragan"], "did you mean 'cifar10/contragan'"),
        (["train", "digits/contragn"], "did you mean 'digits/contragan'"),
        (["train", "digits/contragan", "--set", "training.bacth_size=3"], "did you mean"),
        (["train", "folder/contragan-eq7-32"], "needs --data PATH"),
        (["train", "folder/contragan-eq7-32", "--data", "/no/such/place"], "/no/such/place"),
        (["train", "digits/contragan", "--data", "."], "leave out --data"),
        (["bench", "digits/contragan", "--data", "."], "leave out --data"),
        (["train", "digits/contragan", "--out", "/dev/null/run"], "--out /dev/null/run"),
        (["train", "digits/contragan", "--out", "a" * 999], "File name too long"),
        (["train", "digits/contragan", "--out", "~nobody-is-called-so"], "no such home"),
        (
            ["bench", "digits/contragan", "--json", "/dev/null/a.json"],
            "/dev/null cannot be written",
        ),
        (["evaluate", "a", "b", "--json", "/dev/null/a.json"], "/dev/null cannot be written"),
        (["train", "digits/contragan", "--set", "evaluation.features=timm:nope"], "timm:nope"),
        (["train", "digits/contragan", "--set", "generator.channels=100000"], "GB are free"),
        (["train", "digits/contragan", "--set", "generator.channels=9" + "0" * 20], "any memory"),
        (["train", "digits/contragan", "--set", "augmentation.foo=1"], "diff_augment"),
        (["sample", "/no/such/run"], "/no/such/run"),
        (["evaluate", "/no/such/run"], "/no/such/run"),
    ],
)
def test_bad_words(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(capsys, words, expected)
    assert not list(tmp_path.iterdir())


def test_bad_folders(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    draw_classes(tmp_path / "single", {"cat": 3})
    draw_classes(tmp_path / "flat", {".": 3})
    draw_classes(tmp_path / "small", {"cat": 20, "dog": 20}, size=16)
    draw_classes(tmp_path / "few", {"cat": 3, "dog": 3})
    draw_classes(tmp_path / "damaged", {"cat": 20, "dog": 20})
    (tmp_path / "damaged" / "cat" / "3.png").write_bytes(b"\x89PNG no more")
    cases = {
        "empty": "empty",
        "single": "single",
        "flat": "flat",
        "small": "16",
        "few": "fewer than",
        "damaged": "3.png",
    }
    for name, expected in cases.items():
        words = [
            "train",
            "folder/contragan-eq7-32",
            "--data",
            str(tmp_path / name),
            "--out",
            str(out),
        ]
        refused(capsys, [*words, *settings(SMALL_FOLDER)], expected, out)
    code, said, _ = contragan(capsys, *words, *settings(SMALL_FOLDER), "--skip-unreadable")
    assert code == 0
    assert "1 unreadable" in said
    assert (out / "samples" / "step-0000002.png").is_file()


def test_where_to_write_is_looked_at_before_the_data(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*args: object, **kwargs: object) -> None:
        raise AssertionError("the data was read first")

    monkeypatch.setattr("contragan.data.splits.load_dataset", decode)
    data = draw_classes(tmp_path / "data", {"cat": 20, "dog": 20})
    words = ["train", "folder/contragan-eq7-32", "--data", str(data), *settings(SMALL_FOLDER)]
    refused(capsys, [*words, "--out", "/dev/null/run"], "--out /dev/null/run cannot be written")


def test_features_that_cannot_be_had(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tiny: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    words = ["train", "digits/contragan", *settings(tiny), "--out", str(tmp_path / "out")]
    words += settings(["evaluation.features=inception", "training.total_iterations=2"])
    evaluated = [*words, "--set", "training.evaluate_every_iterations=2"]
    refused(capsys, evaluated, "Inception weights", tmp_path / "out")
    assert contragan(capsys, *words)[0] == 0  # which evaluates nothing


@pytest.mark.parametrize("name", ["environment.json", "recipe.yaml", "dataset.json"])
@pytest.mark.parametrize("killed", [True, False])
@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_half_written_is_no_run(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tiny: list[str],
    name: str,
    killed: bool,
    exists: bool,
) -> None:
    def write(path: Path, text: str) -> None:
        if path.name == name:
            path.parent.mkdir(exist_ok=True)
            (path.parent / f".{name}.12345678.tmp").write_text(text[:9])
            raise OSError(28, "No space left on device")
        write_text(path, text)

    out = tmp_path / "out"
    if exists:
        out.mkdir()
    words = ["train", "digits/contragan", *settings(tiny), "--out", str(out)]
    words += ["--set", "training.total_iterations=1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("contragan.runs.run.write_text", write)
        if killed:  # then nobody cleans up
            patch.setattr(Path, "unlink", lambda *args, **kwargs: None)
            patch.setattr("contragan.runs.run.shutil.rmtree", lambda *args, **kwargs: None)
        refused(capsys, words, "the disk is full")
    if not killed:
        assert not [path for path in out.glob("*") if not path.name.startswith(".")]
        assert out.exists() == exists
    # One command line does, however far the job before came.
    code, said, _ = contragan(capsys, *words, "--resume")
    assert code == 0
    assert f"there is no run in {out} yet, starting from the beginning" in said
    assert is_run(out)


def test_a_recipe_of_ones_own_is_not_overwritten(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "recipe.yaml").write_text("mine")
    refused(capsys, ["train", "digits/contragan", "--out", str(tmp_path)], "not empty")
    assert (tmp_path / "recipe.yaml").read_text() == "mine"


def test_data_that_has_moved(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = draw_classes(tmp_path / "data", {"cat": 20, "dog": 20})
    words = [
        "train",
        "folder/contragan-eq7-32",
        "--data",
        str(data),
        "--out",
        str(tmp_path / "out"),
    ]
    words += settings(SMALL_FOLDER)
    assert contragan(capsys, *words)[0] == 0
    data.rename(tmp_path / "moved")
    expected = f"{data} does not exist: say where it is with --data PATH"
    refused(capsys, [*words, "--resume"], expected)
    refused(capsys, ["evaluate", str(tmp_path / "out"), "--features", "pixels"], expected)


def test_home_is_expanded_in_every_path(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tiny: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    tiny = [*tiny, "training.total_iterations=1"]
    (tmp_path / "my.yaml").write_text(recipe_text("digits/contragan"))
    assert contragan(capsys, "train", "~/my.yaml", "--out=~/run", *settings(tiny))[0] == 0
    assert contragan(capsys, "sample", "~/run", "--out", "~/a.png")[0] == 0
    assert (tmp_path / "a.png").is_file()
    refused(
        capsys, ["train", "folder/contragan-eq7-32", "--data=~/x"], f"{tmp_path / 'x'} does not"
    )
    refused(capsys, ["evaluate", "~/a", "~/b"], f"no images at {tmp_path / 'a'}")


@posix_signals
def test_a_reader_that_leaves_ends_training_with_a_checkpoint(
    tmp_path: Path, tiny: list[str]
) -> None:
    command = [sys.executable, "-m", "contragan", "train", "digits/contragan"]
    tiny = [*tiny, "training.total_iterations=100000", "training.checkpoint_every_iterations=99999"]
    process = subprocess.Popen(
        [*command, *settings(tiny), "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith("training digits/contragan in ")
    assert "10 classes" in process.stdout.readline()
    assert process.stdout.readline().startswith("2/100000 ")
    process.stdout.close()
    with process.stderr as errors:
        assert errors.read() == ""
    assert process.wait(timeout=120) == 128 + signal.SIGPIPE
    (checkpoint,) = (tmp_path / "run" / "checkpoints").glob("step-*")
    assert verify(checkpoint)["iteration"] >= 4


def test_other_classes_on_resume(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = draw_classes(tmp_path / "data", {"cat": 20, "dog": 20})
    words = [
        "train",
        "folder/contragan-eq7-32",
        "--data",
        str(data),
        "--out",
        str(tmp_path / "out"),
    ]
    words += settings(SMALL_FOLDER)
    assert contragan(capsys, *words)[0] == 0
    draw_classes(data, {"horse": 20})
    facts = (tmp_path / "out" / "dataset.json").read_text()
    refused(capsys, [*words, "--resume"], "2 classes (cat, dog), but the data adds horse: give")
    shutil.rmtree(data / "horse")
    (data / "cat").rename(data / "zebra")
    for command in ([*words, "--resume"], ["evaluate", str(tmp_path / "out")]):
        refused(capsys, command, "but the data lacks cat and adds zebra: give the data")
    assert (tmp_path / "out" / "dataset.json").read_text() == facts
    (data / "zebra").rename(data / "cat")
    # A run whose names were rewritten: its checkpoint knows better.
    (tmp_path / "out" / "dataset.json").write_text(facts.replace('"cat"', '"zebra"'))
    words += ["--set", "training.total_iterations=2", "--resume"]
    assert contragan(capsys, *words)[0] == 0
    assert open_run(tmp_path / "out").dataset.class_names == ("cat", "dog")


def test_a_full_disk_leaves_nothing_half_written(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tiny: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("contragan.runs.checkpoint.serialize", full)
    out = tmp_path / "out"
    words = ["train", "digits/contragan", "--out", str(out), *settings(tiny)]
    refused(capsys, [*words, "--set", "training.total_iterations=4"], "the disk is full")
    assert not list((out / "checkpoints").iterdir())


def test_output_that_is_no_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: list[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    words = ["train", "digits/contragan", *settings(tiny), "--out"]
    refused(capsys, [*words, str(tmp_path / "file")], "is a file")
    refused(capsys, [*words, str(tmp_path / "folder")], "not empty")
    assert (tmp_path / "folder" / "mine.txt").read_text() == "mine"
    refused(capsys, [*words, str(tmp_path / "folder"), "--resume"], "not empty and holds no run")


def test_checkpoints_that_do_not_fit(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained_run: Path
) -> None:

    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    recipe = run / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("latent_dim: 12", "latent_dim: 24"))
    refused(capsys, ["sample", str(run), "--out", str(tmp_path / "a.png")], "another architecture")
    shutil.rmtree(run)
    shutil.copytree(trained_run, run)
    for checkpoint in (run / "checkpoints").glob("step-*"):
        (checkpoint / "generator_ema.safetensors").write_bytes(b"cut")
    refused(capsys, ["sample", str(run), "--out", str(tmp_path / "a.png")], "damaged")


def test_sample_grid_folder_and_arrays(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained_run: Path
) -> None:
    code, said, _ = contragan(capsys, "sample", str(trained_run), "--out", str(tmp_path / "a.png"))
    assert code == 0
    assert "100 images" in said
    with Image.open(tmp_path / "a.png") as grid:
        assert grid.size[1] >= 10 * 48
    words = ["sample", str(trained_run), "--classes", "3,7", "--num", "5", "--seed", "1", "--out"]
    assert contragan(capsys, *words, str(tmp_path / "files"))[0] == 0
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("files/*/*"))
    assert files == [f"files/{c}/{i:06d}.png" for c, i in ((3, 0), (3, 2), (3, 4), (7, 1), (7, 3))]
    assert contragan(capsys, *words, str(tmp_path / "a.npz"))[0] == 0
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["images"].shape == (5, 16, 16, 1)
        assert arrays["labels"].tolist() == [3, 7, 3, 7, 3]
        assert arrays["class_names"].tolist() == [str(digit) for digit in range(10)]
        first = arrays["images"][0, :, :, 0]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "files/3/000000.png")), first)
    refused(
        capsys, ["sample", str(trained_run), "--classes", "eleven"], "there is no class 'eleven'"
    )
    refused(capsys, [*words, str(tmp_path / "files")], "not empty")


def test_evaluate_prints_and_records(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained_run: Path
) -> None:

    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    before = (run / "metrics.jsonl").read_text()
    code, said, _ = contragan(
        capsys,
        "evaluate",
        str(run),
        "--num",
        "50",
        "--batch-norm",
        "standing",
        "--json",
        str(tmp_path / "record.json"),
    )
    assert code == 0
    assert "class accuracy" in said
    assert f"added to {run / 'metrics.jsonl'}" in said
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["counts"]["generated"] == 50
    assert record["protocol"]["batch_norm"] == "standing"
    assert record["context"]["ema"] is True
    after = (run / "metrics.jsonl").read_text()
    assert after.startswith(before)
    assert json.loads(after.splitlines()[-1]) == {"step": 8, **record}
    weights = tmp_path / "none.pth"
    refused(
        capsys,
        ["evaluate", str(run), "--features", "inception", "--weights", str(weights)],
        "none.pth",
    )


def test_evaluate_images_that_anything_generated(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained_run: Path
) -> None:
    words = ["sample", str(trained_run), "--num", "60", "--out"]
    assert contragan(capsys, *words, str(tmp_path / "a.npz"))[0] == 0
    assert contragan(capsys, *words, str(tmp_path / "folder"))[0] == 0
    assert contragan(capsys, *words, str(tmp_path / "b.npz"), "--seed", "1")[0] == 0
    evaluate = ["evaluate", "--features", "pixels", "--metrics", "frechet_distance"]
    record = tmp_path / "record.json"
    for name, expected in (("folder", "0"), ("b.npz", "more")):
        code, said, _ = contragan(
            capsys, *evaluate, str(tmp_path / "a.npz"), str(tmp_path / name), "--json", str(record)
        )
        assert code == 0
        assert "Fréchet distance (pixels)" in said
        distance = json.loads(record.read_text())["values"]["frechet_distance"]
        assert (distance < 1e-6) == (expected == "0")
    refused(capsys, [*evaluate, str(tmp_path / "a.npz"), str(tmp_path / "none")], "none")
    three = [str(tmp_path / "a.npz")] * 3
    refused(capsys, [*evaluate, *three], "3 places")


def test_compare_marks_differences_in_protocol(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained_run: Path
) -> None:
    for name, mode in (("a", "running"), ("b", "running"), ("c", "batch")):
        shutil.copytree(trained_run, tmp_path / name)
        words = ["evaluate", str(tmp_path / name), "--num", "40", "--batch-norm", mode]
        assert contragan(capsys, *words)[0] == 0
    log = tmp_path / "c" / "metrics.jsonl"  # without what all three have in common
    log.write_text(log.read_text().splitlines()[-1] + "\n")
    runs = [str(tmp_path / name) for name in "abc"]
    code, said, _ = contragan(capsys, "evaluate", "--compare", *runs[:2])
    assert code == 0
    assert "not comparable" not in said
    table, record = tmp_path / "table.csv", tmp_path / "table.json"
    words = ["evaluate", "--compare", *runs, "--csv", str(table), "--json", str(record)]
    _, said, _ = contragan(capsys, *words)
    assert "not comparable, for the protocols differ" in said
    assert "(batch_norm): running in a, b; batch in c" in " ".join(said.split())
    assert len(table.read_text().splitlines()) == 1 + 2 * len(runs)
    assert json.loads(record.read_text())["differences"]["batch_norm"][runs[2]] == "batch"
    refused(capsys, ["evaluate", *runs[:2]], "evaluate --compare")
    refused(capsys, ["evaluate", runs[0], "--csv", str(table)], "without --compare")


def test_evaluation_requests_that_cannot_be_met(
    capsys: pytest.CaptureFixture[str], trained_run: Path
) -> None:
    words = ["evaluate", str(trained_run)]
    refused(capsys, [*words, "--protocol", "fulll"], "contragan-paper")
    refused(capsys, [*words, "--metrics", "fid"], "frechet_distance")
    refused(capsys, [*words, "--features", "resnet"], "features")


def test_memorisation_draws_its_picture(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained_run: Path
) -> None:
    shutil.copytree(trained_run, tmp_path / "run")
    words = ["evaluate", str(tmp_path / "run"), "--num", "40", "--metrics", "memorisation"]
    code, said, _ = contragan(capsys, *words)
    assert code == 0
    (picture,) = (tmp_path / "run" / "samples").glob("closest-*.png")
    assert picture.name in said.replace("\n", "")
    with Image.open(picture) as grid:
        assert grid.size[0] > 8 * 64


def test_a_folder_is_never_replaced_by_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained_run: Path
) -> None:
    for name in ("a.png", "a.npz"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.txt").write_text("mine")
        words = ["sample", str(trained_run), "--num", "2", "--out", str(tmp_path / name)]
        refused(capsys, words, "is a folder")
        assert (tmp_path / name / "mine.txt").read_text() == "mine"
        assert [path.name for path in (tmp_path / name).iterdir()] == ["mine.txt"]
