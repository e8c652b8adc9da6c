"""Where a study's runs are made: one small protocol, and this machine's processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contragan.core import parent
from contragan.core.cores import num_cores
from contragan.core.errors import UserError
from contragan.studies.state import attempt_line

BAD_INPUT = 2
"""The exit code of a run whose input is wrong, which another attempt would not mend."""

LAUNCHERS = {
    *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID"),
    *("SLURM_PROCID", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"),
}
"""Variables by which a process finds others to train with; a study's run is one process alone."""


OWN_GROUP: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""What Windows has in place of sessions; it ignores ``start_new_session``."""


@dataclass(frozen=True)
class Job:
    """A command of ``contragan`` that makes a run, and the file that its output is added to."""

    folder: Path
    words: tuple[str, ...]
    log: Path


class Handle(Protocol):
    """A job that was started."""

    def exit_code(self) -> int | None:
        """None while it runs; negative where a signal ended it."""

    def stop(self) -> None:
        """Ask it to save and end; it goes on until it has."""


class Place(Protocol):
    """Where jobs run, at most ``slots`` of them at a time."""

    slots: int

    def start(self, job: Job) -> Handle: ...

    def describe(self) -> str:
        """One line on what the jobs get."""

    def close(self) -> None: ...


class LocalPlace:
    """Processes of this machine, which share its GPUs, or else its processor cores.

    No process outlives this one: each stops and saves when the pipe that is its input ends
    (:mod:`contragan.core.parent`), which the system sees to after SIGKILL as well.
    """

    def __init__(self, jobs: int | None) -> None:
        self._gpus = visible_gpus()
        self.slots = jobs or max(1, len(self._gpus))
        self._taken: dict[int, LocalHandle] = {}
        # Who sets the number of threads means it.
        self.threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, num_cores() // self.slots))

    def describe(self) -> str:
        threads = "1 thread" if self.threads == "1" else f"{self.threads} threads"
        gets = threads
        if self._gpus:
            shared = self.slots > len(self._gpus)
            gets += f" and a share of the GPUs ({len(self._gpus)})" if shared else " and a GPU"
        many = "one run" if self.slots == 1 else f"{self.slots} runs"
        return f"{many} at a time, {gets} each"

    def start(self, job: Job) -> LocalHandle:
        slot = next(
            slot
            for slot in range(self.slots)
            if slot not in self._taken or self._taken[slot].exit_code() is not None
        )
        environment = {"OMP_NUM_THREADS": self.threads}
        if self._gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self._gpus[slot % len(self._gpus)]
        self._taken[slot] = handle = LocalHandle(job, environment)
        return handle

    def close(self) -> None:
        for handle in self._taken.values():
            handle.stop()


class LocalHandle:
    """A child process."""

    def __init__(self, job: Job, environment: dict[str, str]) -> None:
        self._process = spawn(job.words, job.log, environment)

    def exit_code(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()


def spawn(words: Sequence[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start ``contragan`` with ``words``, its output added to ``log``; it stops with this process.

    It has a session of its own, on Windows a process group: Ctrl-C in a terminal reaches whoever
    started it, who then asks it to stop, once.
    """
    alone = {key: value for key, value in os.environ.items() if key not in LAUNCHERS}
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            output.write(attempt_line().encode())
            output.flush()
            return subprocess.Popen(
                [sys.executable, "-m", "contragan", *words],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**alone, **environment, parent.VARIABLE: "1", "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
                creationflags=OWN_GROUP,
            )
    except OSError as error:
        raise UserError(f"cannot start {' '.join(words)}: {error}") from error


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    return named.split(",")[:count] if named else [str(index) for index in range(count)]
