"""What people type and what lies on their disks: one line for each mistake, and no leftovers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from in_process import contragan

import contragan as package


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The only line that the command says, on bad input."""
    code, said, errors = contragan(capsys, *words)
    assert (code, said) == (2, "")
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    return errors


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """A run that a test may damage."""
    return Path(shutil.copytree(trained_run, tmp_path / "run"))


def name_classes(run: Path, names: dict[str, str]) -> None:
    """Rename classes of a run, as if it had been trained on such names."""
    for file in (run / "dataset.json", *run.glob("checkpoints/*/manifest.json")):
        facts = json.loads(file.read_text())
        facts["class_names"] = [names.get(name, name) for name in facts["class_names"]]
        file.write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("train digits/gan --foo", "No such option: --foo"),
        ("evaluate", "Missing argument"),
        ("train", "Missing argument"),
        ("nothing", "No such command 'nothing'"),
        ("sample a b", "extra argument"),
        ("sample a --num x", "--num"),
        ("sample a --which first", "--which"),
        ("evaluate a --num", "--num"),
        ("import-studiogan", "Missing option"),
    ],
)
def test_usage_errors_get_one_line(
    capsys: pytest.CaptureFixture[str], words: str, expected: str
) -> None:
    errors = refused(capsys, *words.split())
    assert expected in errors
    assert "--help" in errors


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = contragan(capsys)
    assert code == 2
    assert "import-studiogan" in said
    code, said, _ = contragan(capsys, "--version")
    assert (code, said.strip()) == (0, package.__version__)


def test_damaged_files_of_a_run(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    compare = ["evaluate", "--compare", run]
    metrics = run / "metrics.jsonl"
    metrics.write_bytes(b"\xff\xfe")
    assert "metrics.jsonl is damaged" in refused(capsys, *compare)
    metrics.write_text('{"step": 8, "name": "evaluation", "values": {}}\n')
    assert "the evaluation of iteration 8 is not whole" in refused(capsys, *compare)
    metrics.unlink()
    assert "was never evaluated" in refused(capsys, *compare)
    (run / "checkpoints" / "last").write_text("")
    words = ["sample", run, "--out", run / "a.png"]
    assert "last is damaged: it names no checkpoint" in refused(capsys, *words, "--which", "last")
    (run / "checkpoints" / "best").write_bytes(b"\xff\xfe")
    assert "best is damaged: it names no checkpoint" in refused(capsys, *words)


def test_a_number_of_images_that_nothing_holds(
    capsys: pytest.CaptureFixture[str], trained_run: Path, tmp_path: Path
) -> None:
    for name in ("a.png", "a.npz", "folder"):
        for num in (10**14, 10**30):
            words = ["sample", trained_run, "--num", num, "--out", tmp_path / "new" / name]
            assert f"{num} images" in refused(capsys, *words)
    assert not list(tmp_path.iterdir())
    assert "do not fit in memory" in refused(capsys, "evaluate", trained_run, "--num", 10**14)
    model = package.load(trained_run)
    with pytest.raises(package.UserError, match="do not fit in memory"):
        model.sample(num=10**14)
    with pytest.raises(package.UserError, match="do not fit in memory"):
        model.labels(None, 10**14)


def test_a_terminal_without_accents(trained_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained_run, tmp_path / "run")
    ended = subprocess.run(
        [sys.executable, "-m", "contragan", "evaluate", str(run), "--num", "40"],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Fr?chet distance" in ended.stdout
    assert ended.stderr == ""


def test_class_names_with_commas_and_brackets(
    capsys: pytest.CaptureFixture[str], run: Path
) -> None:
    name_classes(run, {"1": "cat, tabby", "2": "[dog]", "3": "[/b]"})
    out = run.parent / "a.npz"
    words = ["sample", run, "--num", "4", "--out", out, "--classes"]
    assert contragan(capsys, *words, "cat, tabby")[0] == 0
    assert np.load(out)["labels"].tolist() == [1, 1, 1, 1]
    assert contragan(capsys, *words, "cat, tabby", "--classes", "[dog], 7")[0] == 0
    assert np.load(out)["labels"].tolist() == [1, 2, 7, 1]

    assert contragan(capsys, "sample", run, "--num", "60", "--out", out)[0] == 0
    words = ["evaluate", out, out, "--features", "pixels"]
    _, said, _ = contragan(capsys, *words)
    assert "[dog]" in said
    assert "[/b]" in said


def test_metrics_may_be_spaced(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    words = ["evaluate", run, "--num", "40", "--metrics", "frechet_distance, class_fidelity"]
    assert contragan(capsys, *words)[0] == 0


@pytest.mark.parametrize(
    ("words", "mode"),
    [
        ("RUN --data .", "run on digits"),
        ("RUN --skip-unreadable", "run on digits"),
        ("RUN --weights .", "pixels extractor has no weights"),
        ("RUN --resize bilinear", "the features pixels"),
        ("RUN --probe-images 50 --metrics frechet_distance", "without the metric class_fidelity"),
        ("RUN/checkpoints/step-0000004 --which best", "where a checkpoint is named"),
        ("A A --num 50", "with two sets of images"),
        ("A A --data .", "with two sets of images"),
        ("A A --seed 0", "with two sets of images"),
        ("A A --which last", "with two sets of images"),
        ("A A --no-ema", "with two sets of images"),
        ("A A --reference test", "with two sets of images"),
        ("A A --batch-norm batch", "with two sets of images"),
        ("RUN --resolution 16", "to a run"),
        ("RUN --background black", "to a run"),
        ("RUN --value-range 0,4095", "to a run"),
        ("--compare RUN RUN --features pixels", "with --compare"),
        ("--compare RUN RUN --num 50", "with --compare"),
        ("--compare RUN RUN --report a.tsv", "with --compare"),
    ],
)
def test_options_that_would_be_ignored(
    capsys: pytest.CaptureFixture[str], trained_run: Path, tmp_path: Path, words: str, mode: str
) -> None:
    before = (trained_run / "metrics.jsonl").read_bytes()
    np.savez(tmp_path / "a.npz", np.zeros((4, 4, 4, 3), np.uint8))
    typed = words.replace("RUN", str(trained_run)).replace("A", str(tmp_path / "a.npz"))
    errors = refused(capsys, "evaluate", *typed.split())
    assert mode in errors
    option = next(word for word in words.split() if word.startswith("--") and word != "--compare")
    assert option.replace("no-ema", "ema") in errors
    assert (trained_run / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("where", ["checkpoints", "checkpoints/step-0000004"])
def test_a_checkpoint_by_a_relative_path(
    capsys: pytest.CaptureFixture[str],
    trained_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    monkeypatch.chdir(trained_run / where)
    word = "step-0000004" if where == "checkpoints" else "."
    code, said, _ = contragan(capsys, "sample", word, "--num", 1, "--out", tmp_path / "a.png")
    assert code == 0
    assert "iteration 4" in said
    errors = refused(capsys, "sample", word, "--which", "best", "--out", tmp_path / "b.png")
    assert "--which means nothing" in errors


def test_home_folders(
    capsys: pytest.CaptureFixture[str], run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = run.parent
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(run)
    assert contragan(capsys, "sample", "~/run", "--num", 20, "--out=~/a.npz")[0] == 0
    words = ["evaluate", "~/a.npz", "~/a.npz", "--features", "pixels", "--json", "~/a.json"]
    assert contragan(capsys, *words, "--metrics", "frechet_distance")[0] == 0
    assert (home / "a.npz").is_file()
    assert (home / "a.json").is_file()
    assert not list(run.glob("~*"))
    package.load("~/run")
    errors = refused(capsys, "import-studiogan", "--generator=~/g.pth", "--discriminator=~/d.pth",
                     "--recipe", "digits/contragan", "--out=~/new")  # fmt: skip
    assert f"no checkpoint at {home}/g.pth" in errors
    assert "no such home folder" in refused(capsys, "sample", "~nobody-has-this-name/run")


def test_sigterm_takes_half_written_files_away(trained_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["sample", str(trained_run), "--num", "2000000", "--out", str(out / "a.npz")]
    process = subprocess.Popen(
        [sys.executable, "-m", "contragan", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(out.glob(".a.npz.*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, "interrupted\n")
    assert not list(out.iterdir())
