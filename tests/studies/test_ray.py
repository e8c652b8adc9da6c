"""Studies on a local Ray cluster, one worker of which is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pretended_study import SETTINGS, write_study
from systems import posix_signals

from contragan.runs.checkpoint import verify
from contragan.runs.lock import HOLDER
from contragan.studies.state import last_iteration, saved_iteration

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TOTAL = 300


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    settings = [
        *SETTINGS,
        f"training.total_iterations={TOTAL}",
        "training.checkpoint_every_iterations=10",
        "training.evaluate_every_iterations=100",
    ]
    scales = {"tiny": {"note": "n", "seeds": 1, "settings": {"all": settings}}}
    cells = [{"row": "BigGAN", "column": "projection", "recipe": "digits/biggan"}]
    path = write_study(tmp_path / "mine.yaml", scales=scales, cells=cells)
    words = ["study", "run", str(path), "--out", str(tmp_path / "study"), "--on", "ray"]
    return [sys.executable, "-m", "contragan", *words]


def the_run(tmp_path: Path) -> Path | None:
    pool = tmp_path / "runs"
    return next((path for path in pool.glob("digits-*") if path.is_dir()), None)


def wait_until_it_trains(tmp_path: Path) -> Path:
    deadline = time.monotonic() + 200
    while (folder := the_run(tmp_path)) is None or saved_iteration(folder) < 20:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return folder


@posix_signals
def test_a_lost_worker_s_run_goes_on(tmp_path: Path, command: list[str]) -> None:
    runner = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    folder = wait_until_it_trains(tmp_path)
    child = json.loads((folder / HOLDER).read_text())["process"]
    worker = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    assert "ray::" in Path(f"/proc/{worker}/cmdline").read_text()
    os.kill(worker, signal.SIGKILL)
    reached = last_iteration(folder)
    said, _ = runner.communicate(timeout=600)
    assert runner.returncode == 0, said
    assert "1 of 1 runs are done" in said
    assert verify(folder / "checkpoints" / f"step-{TOTAL:07d}")["iteration"] == TOTAL
    log = (tmp_path / "runs" / f"{folder.name}.log").read_text()
    assert log.count("\n--- 20") + log.startswith("--- 20") == 2
    assert reached < TOTAL


def test_a_signal_stops_the_tasks_which_save(tmp_path: Path, command: list[str]) -> None:
    runner = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    folder = wait_until_it_trains(tmp_path)
    runner.send_signal(signal.SIGTERM)
    said, _ = runner.communicate(timeout=300)
    assert runner.returncode == 128 + signal.SIGTERM, said
    assert "go on: the same command again" in said
    log = (tmp_path / "runs" / f"{folder.name}.log").read_text()
    assert f"stopped by what started it; saved at iteration {saved_iteration(folder)}\n" in log


def test_a_cluster_that_does_not_answer_is_one_line(tmp_path: Path, command: list[str]) -> None:
    command[-1] = "ray://127.0.0.1:9"
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 2
    expected = "error: --on ray://127.0.0.1:9 cannot be reached: nothing answers at 127.0.0.1:9 ("
    assert ended.stderr.startswith(expected)
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / "study").exists()
