"""``contragan resume``: one argument goes on, and how a run that was stopped ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from in_process import contragan
from systems import posix_signals

from contragan.recipes.schema import dump_recipe, load_recipe
from contragan.runs.checkpoint import pointer, verify
from contragan.runs.log import read_metrics
from contragan.runs.run import open_run


def settings(overrides: list[str]) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


def losses(run: Path) -> list[tuple[int, str, float]]:
    """What training logged, without what depends on the clock."""
    return [
        (line["step"], line["name"], line["value"])
        for line in read_metrics(run / "metrics.jsonl")
        if line["name"].startswith(("d/", "g/"))
    ]


def test_a_time_limit_then_one_argument_goes_on_as_if_never_stopped(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: list[str]
) -> None:
    words = ["train", "digits/contragan", *settings([*tiny, "training.total_iterations=4"])]
    words += ["--seed", "3", "--out"]
    assert contragan(capsys, *words, tmp_path / "whole")[0] == 0
    stopped = tmp_path / "stopped run"
    code, said, errors = contragan(capsys, *words, stopped, "--max-minutes", "0", "--device", "cpu")
    assert (code, errors) == (124, "")
    assert said.splitlines()[-1] == f"go on: contragan resume '{stopped}' --device cpu"
    code, said, _ = contragan(capsys, "resume", stopped)
    assert code == 0
    assert "finished at iteration 4" in said
    assert losses(stopped) == losses(tmp_path / "whole")
    assert open_run(stopped).seed == 3
    # Longer, and then not at all.
    longer = ["resume", stopped, "--set", "training.total_iterations=5"]
    assert "finished at iteration 5" in contragan(capsys, *longer)[1]
    code, said, _ = contragan(capsys, "resume", stopped, "--max-minutes", "0")
    assert code == 0  # the limit has passed, but the run is whole
    assert "nothing was trained: the run is at iteration 5 already" in said
    code, _, errors = contragan(capsys, "resume", stopped, "--set", "training.batch_size=8")
    assert code == 2
    assert "other settings (training.batch_size)" in errors


def test_the_data_is_where_the_run_had_it_or_where_it_has_moved(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained_run: Path
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(trained_run, run)
    facts = json.loads((run / "dataset.json").read_text())
    recipe = (run / "recipe.yaml").read_text().replace("kind: digits", "kind: folder")
    (run / "recipe.yaml").write_text(recipe)
    (run / "dataset.json").write_text(json.dumps({**facts, "path": str(data)}))
    code, _, errors = contragan(capsys, "resume", run)
    assert code == 2
    assert f"{data} does not exist: say where it is with --data PATH" in errors
    code, _, errors = contragan(capsys, "resume", run, "--data", tmp_path / "moved")
    assert (code, f"{tmp_path / 'moved'} does not exist" in errors) == (2, True)


def test_what_cannot_be_resumed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained_run: Path
) -> None:
    (checkpoint, *_) = (trained_run / "checkpoints").glob("step-*")
    for place, expected in (
        (tmp_path, "holds no run (no recipe.yaml). Give the folder that `contragan train` wrote"),
        (tmp_path / "none", "is not there"),
        (checkpoint, "is a checkpoint: give the run's folder"),
    ):
        code, _, errors = contragan(capsys, "resume", place)
        assert code == 2
        assert expected in errors
        assert len(errors.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@posix_signals
def test_a_job_scheduler_s_signal_saves_and_stops(tmp_path: Path, tiny: list[str]) -> None:
    overrides = [*tiny, "training.total_iterations=999999"]
    overrides += ["training.checkpoint_every_iterations=999999"]
    out = tmp_path / "run"
    words = ["train", "digits/contragan", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "contragan", *words, *settings(overrides)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 200
    while not (out / "metrics.jsonl").is_file() or not losses(out):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGUSR1)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGUSR1
    assert "stopped by SIGUSR1; saved at iteration" in said
    saved = pointer(out / "checkpoints", "last")
    assert saved is not None
    assert f"saved at iteration {verify(saved)['iteration']}\n" in said


def test_a_folder_that_is_taken_gets_advice_that_works(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: list[str], trained_run: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    lengths = ["training.total_iterations=8", "training.evaluate_every_iterations=4"]

    def advice(*more: str) -> str:
        words = ["train", "digits/contragan", *settings([*tiny, *lengths, *more]), "--out", run]
        code, _, errors = contragan(capsys, *words)
        assert code == 2
        return errors

    assert f"{run} holds this run already: go on with `contragan resume {run}`, or" in advice()
    longer = f"`contragan resume {run} --set training.total_iterations=9`"
    assert longer in advice("training.total_iterations=9")
    assert "other settings (training.batch_size): resume it with" in advice("training.batch_size=8")
    assert contragan(capsys, *longer.strip("`").split()[1:])[0] == 0


def test_other_settings_get_another_folder(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tiny: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        dump_recipe(load_recipe("digits/contragan", [*tiny, "training.total_iterations=1"]))
    )
    for changes in ([], ["training.total_iterations=2"], ["training.total_iterations=3"]):
        assert contragan(capsys, "train", recipe, *settings(changes))[0] == 0
    runs = [path.parent.relative_to("runs") for path in Path("runs").glob("*/*/recipe.yaml")]
    assert sorted(run.as_posix() for run in runs) == [
        "mine+total_iterations=2/0",
        "mine+total_iterations=3/0",
        "mine/0",
    ]
