"""Whole trainings by several processes, however they were started, and waiting for them."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console

from contragan.core.errors import UserError
from contragan.runs.checkpoint import verify
from contragan.runs.log import read_metrics
from contragan.training import processes
from contragan.training.launch import Launch
from contragan.training.setup import bf16_is_fast

LAUNCHERS = ("SLURM_", "TORCHELASTIC_", "OMPI_", "PMI_", "MASTER_")
PLACES = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK"}


def environment(**more: str) -> dict[str, str]:
    """This process's environment without the variables of a launcher that may have started it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(LAUNCHERS) and name not in PLACES
    }
    return kept | {"OMP_NUM_THREADS": "1"} | more


def command(out: Path, tiny: list[str], *more: str) -> list[str]:
    settings = [*tiny, "training.total_iterations=6"]
    words = [word for setting in settings for word in ("--set", setting)]
    return [
        *("-m", "contragan", "train", "digits/contragan"),
        *("--out", str(out), "--device", "cpu", *words, *more),
    ]


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def task(rank: int, tasks: int, port: str) -> dict[str, str]:
    """What srun sets for a task of one machine."""
    return environment(
        SLURM_JOB_ID="7",
        SLURM_JOB_NAME="train",
        SLURM_NTASKS=str(tasks),
        SLURM_TASKS_PER_NODE=str(tasks),
        SLURM_NNODES="1",
        SLURM_NODEID="0",
        SLURM_PROCID=str(rank),
        SLURM_LOCALID=str(rank),
        SLURM_STEP_ID="0",
        SLURM_STEP_NUM_TASKS=str(tasks),
        SLURM_STEP_TASKS_PER_NODE=str(tasks),
        SLURM_JOB_NODELIST="localhost",
        MASTER_PORT=port,
    )


def assert_one_training(out: Path, said: str) -> None:
    assert said.count("finished at iteration 6") == 1
    assert json.loads((out / "environment.json").read_text())["world_size"] == 2
    lines = Counter((line["step"], line["name"]) for line in read_metrics(out / "metrics.jsonl"))
    assert set(lines.values()) == {1}
    assert {step for step, _ in lines} == {2, 4, 6}
    checkpoints = sorted((out / "checkpoints").glob("step-*"))
    assert [verify(path)["iteration"] for path in checkpoints] == [4, 6]
    assert not list(out.glob(".lock*"))


@pytest.mark.slow
def test_torchrun(tmp_path: Path, tiny: list[str]) -> None:
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ended = subprocess.run(
        [sys.executable, *torchrun, *command(tmp_path / "run", tiny)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert_one_training(tmp_path / "run", ended.stdout)


@pytest.mark.slow
def test_slurm(tmp_path: Path, tiny: list[str]) -> None:
    port = free_port()
    tasks = [
        subprocess.Popen(
            [sys.executable, *command(tmp_path / "run", tiny)],
            env=task(rank, 2, port),
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=200)[0] for process in tasks]
    assert [process.returncode for process in tasks] == [0, 0]
    assert_one_training(tmp_path / "run", "".join(said))


@pytest.mark.slow
def test_processes_that_this_command_starts(tmp_path: Path, tiny: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, *command(tmp_path / "run", tiny, "--devices", "2")],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        timeout=200,
        check=True,
    )
    assert_one_training(tmp_path / "run", ended.stdout)


@pytest.mark.slow
def test_what_the_first_process_refuses_is_said_once(tmp_path: Path, tiny: list[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    port = free_port()
    tasks = [
        subprocess.Popen(
            [sys.executable, *command(tmp_path / "run", tiny)],
            env=task(rank, 2, port),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=200)[1] for process in tasks]
    assert [process.returncode for process in tasks] == [2, 0]
    assert "is not empty and holds no run" in said[0]
    assert "error" not in said[1]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


@pytest.mark.slow
def test_a_task_whose_others_never_come(tmp_path: Path, tiny: list[str]) -> None:
    """PyTorch waits deaf to signals; this process must not."""
    words = command(tmp_path / "run", tiny, "--wait-minutes", "0.01")
    ended = subprocess.run(
        [sys.executable, *words],
        env=task(0, 2, free_port()),
        stderr=subprocess.PIPE,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 2
    assert "not all processes of this training came within 0.01 minutes" in ended.stderr
    assert "srun was told to start 2 tasks" in ended.stderr
    assert not (tmp_path / "run").exists()


class NeverMet:
    """A Fabric whose other processes never come."""

    def __init__(self) -> None:
        self.child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        self.strategy = SimpleNamespace(launcher=SimpleNamespace(procs=[self.child]))
        self.end = threading.Event()

    def launch(self) -> None:
        self.end.wait(60)


ALONE = Launch("SLURM", 2, 0, 0, 2, 1, "node1", 15_007, "put `srun` before the command")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_waiting_is_said_and_ends_with_a_signal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    monkeypatch.setattr(processes, "SAY_AFTER_SECONDS", 0.2)
    fabric: Any = NeverMet()

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(number, interrupt)
    try:
        threading.Timer(0.6, os.kill, (os.getpid(), number)).start()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            processes._wait(fabric, ALONE, 5, Console(width=500))
        assert time.monotonic() - begin < 5
    finally:
        signal.signal(number, previous)
        fabric.end.set()
    assert fabric.child.wait(10) == -signal.SIGTERM
    assert capsys.readouterr().out.splitlines() == [
        "note: waiting for the other processes (this is process 1 of 2, which meet at "
        "node1:15007), at most 5 minutes; put `srun` before the command"
    ]


def test_what_keeps_processes_apart_is_one_line() -> None:
    fabric: Any = NeverMet()

    def fail() -> None:
        raise torch.distributed.DistNetworkError("port 15007 is taken\nat c10d.cpp")

    fabric.launch = fail
    with pytest.raises(UserError, match=r"do not find each other .*: port 15007 is taken\. put"):
        processes._wait(fabric, ALONE, 5, Console(quiet=True))
    fabric.child.wait(10)


def test_the_end_of_another_process_is_one_line() -> None:
    lost = r"another process of this training has ended, .* \(closed by peer\): see"
    with pytest.raises(UserError, match=lost), processes.losses_explained():
        raise RuntimeError("[/x/gloo/pair.cc:5] closed by peer. This is typically\nmore")
    with pytest.raises(RuntimeError, match="shape"), processes.losses_explained():
        raise RuntimeError("shape '[2]' is invalid")


@pytest.mark.parametrize(
    ("launch", "device", "gpus", "expected"),
    [
        (Launch(None, 1, 0, 0, 1, 1), "auto", 0, 1),
        (Launch(None, 2, 0, 0, 2, 1), "auto", 0, 2),
        (Launch(None, 2, 0, 0, 2, 1), "auto", 4, 2),
        (Launch(None, 1, 0, 0, 1, 1), "cuda:1", 4, [1]),
        (Launch(None, 1, 0, 0, 1, 1), "cpu", 4, 1),
        (Launch("torchrun", 4, 3, 1, 2, 2), "auto", 0, 1),
        (Launch("torchrun", 4, 3, 1, 2, 2), "auto", 2, [1]),
        # SLURM may show a task all of the machine's GPUs, or its own.
        (Launch("SLURM", 4, 3, 1, 2, 2), "cuda", 2, [1]),
        (Launch("SLURM", 4, 3, 1, 2, 2), "cuda", 1, [0]),
        (Launch("torchrun", 4, 3, 1, 2, 2), "auto", 1, "has 1 GPUs: start as many"),
        (Launch(None, 3, 0, 0, 3, 1), "auto", 2, "has 2 GPUs: start as many"),
        (Launch("torchrun", 4, 3, 1, 2, 2), "cuda:1", 2, "one device for 4 processes"),
    ],
)
def test_each_process_has_its_device(
    monkeypatch: pytest.MonkeyPatch, launch: Launch, device: str, gpus: int, expected: Any
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            processes._devices(launch, device)
    else:
        assert processes._devices(launch, device) == expected


def test_a_cpu_beside_a_gpu_has_a_precision_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **kwargs: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    assert bf16_is_fast(torch.device("cuda"))
    assert not bf16_is_fast(torch.device("cpu"))
