"""Studies with real runs: the documented example, and what is left of a killed runner."""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from in_process import contragan
from pretended_study import SETTINGS, write_study
from rich.console import Console
from systems import posix_signals

from contragan.core import parent
from contragan.core.errors import UserError
from contragan.runs.checkpoint import verify
from contragan.studies import jobs
from contragan.studies.launch import run_study
from contragan.studies.prepare import StudyRequest
from contragan.studies.ray_jobs import make_run
from contragan.studies.record import read_record
from contragan.studies.state import is_locked, saved_iteration

DOCS = Path(__file__).parents[2] / "docs" / "studies.md"


def example() -> str:
    """The study in the documentation."""
    return DOCS.read_text().partition("```yaml\n")[2].partition("```")[0]


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_documented_study_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")  # as a launcher leaves it; a study's run is alone
    monkeypatch.setenv("RANK", "0")
    Path("digits.yaml").write_text(example())
    words = ["study", "run", "digits.yaml", "--scale", "tiny", "--jobs", "2"]
    code, said, errors = contragan(capsys, *words)
    assert (code, errors) == (0, "")
    assert "digits at scale tiny: 4 iterations of small networks" in said
    assert "2 of 2 runs are done" in said
    pool = tmp_path / "studies" / "runs"
    record = read_record(Path("studies/digits-tiny"))
    for run in record.runs:
        assert "finished at iteration 4" in (pool / f"{run.name}.log").read_text()
        assert verify(pool / run.name / "checkpoints" / "step-0000004")["iteration"] == 4

    code, said, _ = contragan(capsys, *words)
    assert code == 0
    assert "2 of them made already" in said
    assert "started" not in said
    code, said, _ = contragan(capsys, "study", "status", "studies/digits-tiny")
    assert "2 done" in said
    assert said.count("4 of 4") == 2

    code, said, _ = contragan(capsys, "study", "commands", "digits.yaml", "--scale", "tiny")
    lines = [shlex.split(line) for line in said.splitlines()]
    assert [line[:2] for line in lines] == [["contragan", "train"]] * 2
    assert [Path(line[line.index("--out") + 1]) for line in lines] == [
        pool / run.name for run in record.runs
    ]


@posix_signals
def test_a_run_does_not_outlive_what_started_it(tmp_path: Path, tiny: list[str]) -> None:
    """The starter is killed with SIGKILL; the run saves where it is."""
    settings = [*tiny, "training.total_iterations=100000", "training.log_every_iterations=1"]
    folder, log = tmp_path / "run", tmp_path / "run.log"
    words = ["train", "digits/biggan", "--out", str(folder), "--resume"]
    words += [word for setting in settings for word in ("--set", setting)]
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom contragan.studies.jobs import spawn\n"
        f"process = spawn({words!r}, Path({str(log)!r}), {{}})\n"
        "print(process.pid, flush=True)\ntime.sleep(600)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    child = int(starter.stdout.readline())
    assert os.getsid(child) == child, "Ctrl-C must not reach it twice"
    wait_for(lambda: saved_iteration(folder) >= 4)
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    wait_for(lambda: not is_locked(folder))
    text = log.read_text()
    assert "stopped by what started it; saved at iteration" in text
    assert f"saved at iteration {saved_iteration(folder)}\n" in text


def test_jobs_share_cores_and_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: list[dict[str, str]] = []

    class Started:
        def __init__(self, job: jobs.Job, environment: dict[str, str]) -> None:
            given.append(environment)

        def exit_code(self) -> None: ...

        def stop(self) -> None: ...

    monkeypatch.setattr(jobs, "LocalHandle", Started)
    monkeypatch.setattr(jobs, "num_cores", lambda: 8)
    monkeypatch.setattr(jobs, "visible_gpus", lambda: ["4", "5"])
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    job = jobs.Job(tmp_path / "run", (), tmp_path / "run.log")
    place = jobs.LocalPlace(None)
    assert place.slots == 2
    assert place.describe() == "2 runs at a time, 4 threads and a GPU each"
    for _ in range(2):
        place.start(job)
    assert given == [
        {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "4"},
        {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "5"},
    ]
    assert jobs.LocalPlace(3).describe() == (
        "3 runs at a time, 2 threads and a share of the GPUs (2) each"
    )
    monkeypatch.setattr(jobs, "visible_gpus", lambda: [])
    assert jobs.LocalPlace(None).describe() == "one run at a time, 8 threads each"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert jobs.LocalPlace(2).describe() == "2 runs at a time, 1 thread each"


def test_a_cluster_that_cannot_be_used_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_study(tmp_path / "mine.yaml")
    words = ["study", "run", str(path), "--scale", "tiny", "--out", str(tmp_path / "out")]
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, errors = contragan(capsys, *words, "--on", "ray")
    assert code == 2
    assert errors == (
        "error: --on ray needs Ray, which is not installed: pip install 'contragan[ray]'\n"
    )
    code, _, errors = contragan(capsys, *words, "--on", "slurm")
    assert code == 2
    assert errors.startswith("error: --on slurm: give ray or ray://HOST:PORT")
    assert not (tmp_path / "out").exists()


def test_a_machine_that_does_not_see_the_study_says_so(tmp_path: Path) -> None:
    """A task of a cluster whose machines do not share the disk."""
    words = ["train", str(tmp_path / "recipe.yaml")]
    with pytest.raises(UserError, match=r"does not see .*recipe\.yaml: put the study and its runs"):
        make_run(words, str(tmp_path / "run"), str(tmp_path / "run.log"), {})
    assert not list(tmp_path.iterdir())


@posix_signals
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killing_the_runner_loses_nothing(tmp_path: Path) -> None:
    """Twenty times, at any moment: nothing saved is lost, and the result is the same."""
    settings = [
        *SETTINGS,
        "training.total_iterations=600",
        "training.checkpoint_every_iterations=20",
        "training.evaluate_every_iterations=200",
    ]
    scales = {"tiny": {"note": "n", "seeds": 1, "settings": {"all": settings}}}
    cells = [{"row": "BigGAN", "column": "projection", "recipe": "digits/biggan"}]
    path = write_study(tmp_path / "mine.yaml", scales=scales, cells=cells)
    whole, out = tmp_path / "whole" / "study", tmp_path / "killed" / "study"
    assert run_study(StudyRequest(str(path), out=whole), 1, Console(quiet=True)) == 0
    name = read_record(whole).runs[0].name
    folder, seen = out.parent / "runs" / name, 0
    command = [sys.executable, "-m", "contragan", "study", "run", str(path), "--out", str(out)]
    chance = random.Random(0)
    hit = 0
    for index in range(20):
        with (tmp_path / "output").open("w") as output:
            runner = subprocess.Popen(command, stdout=output, stderr=output)
            if index % 2:
                wait_for(partial(_trains_or_ended, folder, runner))
            time.sleep(chance.uniform(0.2, 6))
            hit += is_locked(folder)
            runner.send_signal(signal.SIGKILL)
            runner.wait()
        assert saved_iteration(folder) >= seen
        seen = saved_iteration(folder)
    assert hit >= 5
    assert subprocess.run(command, check=False).returncode == 0
    assert not is_locked(folder)
    ends = [
        verify(place.parent / "runs" / name / "checkpoints" / "step-0000600")["sha256"]
        for place in (whole, out)
    ]
    assert ends[0]["generator.safetensors"] == ends[1]["generator.safetensors"]
    scores = [_scores(place.parent / "runs" / name) for place in (whole, out)]
    assert len(scores[0]) == 3
    assert scores[0] == scores[1]


def _trains_or_ended(folder: Path, runner: subprocess.Popen[bytes]) -> bool:
    return is_locked(folder) or runner.poll() is not None


def _scores(folder: Path) -> list[tuple[int, float]]:
    records = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [
        (record["step"], record["value"])
        for record in records
        if record["name"] == "evaluation/frechet_distance"
    ]


def test_only_who_asks_for_it_stops_at_the_end_of_the_input() -> None:
    """A training that is started with `< /dev/null`, as nohup does, goes on."""
    assert parent.VARIABLE not in os.environ
    script = (
        "import time\nfrom contragan.core import parent\nparent.watch()\ntime.sleep(0.3)\n"
        "print(parent.is_gone())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    assert ended.stdout.strip() == b"False"
