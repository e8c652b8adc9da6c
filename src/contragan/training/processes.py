"""Starting the processes of a training, and waiting for those that others start."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy
from rich.console import Console

from contragan.core.allocation import keep_freed_memory
from contragan.core.console import note
from contragan.core.devices import find_device
from contragan.core.errors import UserError
from contragan.training.launch import Launch

SAY_AFTER_SECONDS = 5.0
"""How long to wait for other processes before saying so."""


class Joined(ClusterEnvironment):
    """Processes that something else started, as Lightning's Fabric sees them.

    Each counts as a machine with one device, so machines may have different numbers of processes,
    and a process may see all of a machine's GPUs or only its own.
    """

    def __init__(self, launch: Launch) -> None:
        super().__init__()
        self._launch = launch

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return self._launch.address

    @property
    def main_port(self) -> int:
        assert self._launch.port is not None
        return self._launch.port

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self._launch.world_size

    def set_world_size(self, size: int) -> None:
        """Ignored: the launcher decides."""

    def global_rank(self) -> int:
        return self._launch.rank

    def set_global_rank(self, rank: int) -> None:
        """Ignored: the launcher decides."""

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return self._launch.rank


def start(
    launch: Launch, device: str, precision: str, wait_minutes: float, console: Console
) -> Fabric:
    """Start this machine's processes, or join those that the launcher started.

    Raises:
        UserError: no such device, too few of them, or processes that do not find each other.
    """
    for name in ("lightning", "lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # A little longer, so that the message of this module comes first.
    timeout = timedelta(minutes=wait_minutes, seconds=10)
    is_ours = launch.launcher is None
    fabric = Fabric(
        accelerator=device.partition(":")[0],
        devices=_devices(launch, device),
        num_nodes=launch.nodes if is_ours else launch.world_size,
        precision=precision,  # type: ignore[arg-type]
        strategy=DDPStrategy(timeout=timeout) if launch.world_size > 1 else "auto",
        plugins=[LightningEnvironment() if is_ours else Joined(launch)],
    )
    shares_cores = "OMP_NUM_THREADS" not in os.environ and launch.devices > 1
    if launch.world_size == 1:
        fabric.launch()
    else:
        _wait(fabric, launch, wait_minutes, console)
    if fabric.device.type == "cuda":
        torch.cuda.set_device(fabric.device)  # a setting of each thread
    if fabric.device.type == "cpu":
        if shares_cores:
            torch.set_num_threads(_threads(launch.devices))
        # Lightning has PyTorch look for GPUs through NVML, which it tries to load anew at every
        # step of Adam.
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    keep_freed_memory()
    return fabric


def _devices(launch: Launch, device: str) -> int | list[int]:
    """Fabric's ``devices``: a number of them, or which."""
    if device != "auto":
        named = find_device(device)
        if named.index is not None and launch.world_size > 1:
            raise UserError(
                f"--device {device} is one device for {launch.world_size} processes: give "
                f"{named.type}, and each takes its own"
            )
        if named.type == "cuda" and named.index is not None:
            return [named.index]
    gpus = torch.cuda.device_count() if find_device(device).type == "cuda" else 0
    if gpus == 0:
        return launch.devices if launch.launcher is None else 1
    if launch.launcher == "SLURM" and gpus == 1:
        return [0]  # SLURM shows each task its own GPU
    if launch.devices > gpus:
        raise UserError(
            f"{launch.devices} processes are to train on this machine, which has {gpus} GPUs: "
            "start as many as there are, or give --device cpu"
        )
    return launch.devices if launch.launcher is None else [launch.local_rank]


def _threads(processes: int) -> int:
    """A process's share of the cores."""
    by_slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if by_slurm.isdecimal():
        return int(by_slurm)
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, cores // processes)


def _wait(fabric: Fabric, launch: Launch, wait_minutes: float, console: Console) -> None:
    """Launch on a thread: while PyTorch waits for other processes it ignores signals."""
    problems: list[Exception] = []

    def work() -> None:
        try:
            fabric.launch()
        except Exception as error:
            problems.append(error)

    thread = Thread(target=work, name="launch", daemon=True)
    begin, parent, said = time.monotonic(), os.getppid(), False
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
            waited = time.monotonic() - begin
            if waited > SAY_AFTER_SECONDS and not said:
                said = True
                note(
                    console,
                    f"note: waiting for the other processes (this is {launch.place}), at most "
                    f"{wait_minutes:g} minutes; {launch.others}",
                )
            if waited > 60 * wait_minutes:
                raise UserError(
                    f"not all processes of this training came within {wait_minutes:g} minutes "
                    f"(this is {launch.place}): {launch.others}"
                )
            if launch.launcher is None and launch.local_rank and os.getppid() != parent:
                raise UserError("the process that started this one has ended")
        if problems:
            first_line = str(problems[0]).strip().partition("\n")[0]
            raise UserError(
                f"the processes of this training do not find each other (this is {launch.place}): "
                f"{first_line}. {launch.others}"
            ) from problems[0]
    except BaseException:
        for child in getattr(fabric.strategy.launcher, "procs", []):
            child.terminate()
        raise


@contextmanager
def losses_explained() -> Iterator[None]:
    """Turn the error that another process's end causes here into one line."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if not isinstance(error, torch.distributed.DistError) and "gloo" not in text:
            raise
        reason = re.sub(r"^\[[^]]*\] ", "", text.strip().partition("\n")[0])
        raise UserError(
            "another process of this training has ended, or did not answer within --wait-minutes "
            f"({reason.partition('. ')[0]}): see what it said, and go on with `contragan resume`"
        ) from error
