"""Runs as tasks of a Ray cluster; their folders lie on storage that all its machines share."""

from __future__ import annotations

import os
import platform
import socket
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from contragan.core.errors import UserError
from contragan.studies.jobs import BAD_INPUT, Job, spawn
from contragan.studies.state import attempt_line, is_locked

RETRIES = 2
"""How often Ray starts a run again whose worker or machine was lost."""

PATIENCE = 60.0
"""Seconds that a run waits for one in the same folder that is saving, as after a lost worker."""

CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 180.0

_LOOK_EVERY = 0.2

_STOPPED = 129
"""The exit code of a run that was cancelled: the one it has when what started it stops it."""

_LOST = -9
"""The exit code of a run whose worker was lost once too often."""


def make_run(words: list[str], folder: str, log: str, environment: dict[str, str]) -> int:
    """What a task does: train in a process of its own, which stops and saves with the task.

    Raises:
        UserError: this machine does not see the study's files.
    """
    if not Path(words[1]).is_file():
        raise UserError(
            f"{platform.node()} does not see {words[1]}: put the study and its runs on storage "
            "that all machines of the cluster share"
        )
    deadline = time.monotonic() + PATIENCE
    while is_locked(Path(folder)) and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
    process = spawn(words, Path(log), environment)
    assert process.stdin is not None
    try:
        # In short steps: Ray's cancelling is noticed between two of them.
        while (code := process.poll()) is None:
            time.sleep(_LOOK_EVERY)
    except BaseException:
        process.stdin.close()
        process.wait()
        raise
    return code


def installed_version() -> tuple[str, str]:
    """The name of a machine, and the version of this package that it has."""
    return platform.node(), version("contragan")


class RayPlace:
    """A Ray cluster: each run is a task with a GPU where the cluster has any, and its cores.

    ``address`` is ``ray`` for the cluster of this machine, which is started where there is none, or
    ``ray://HOST:PORT``.

    Raises:
        UserError: Ray is not installed, the cluster cannot be reached, or its machines do not have
            this version of this package.
    """

    def __init__(self, address: str, jobs: int | None) -> None:
        self._ray = _import_ray(address)
        _check_reachable(address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            self._ray.init(
                None if address == "ray" else address,
                logging_level="critical",
                log_to_driver=False,
            )
        except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"--on {address} cannot be reached ({reason})") from error
        try:
            self._check_machines(address)
        except BaseException:
            self._ray.shutdown()
            raise
        resources = self._ray.cluster_resources()
        gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
        self._threads = os.environ.get("OMP_NUM_THREADS") or "1"
        self.slots = jobs or max(1, gpus or cpus // int(self._threads))
        self._task: Any = self._ray.remote(make_run).options(
            num_cpus=int(self._threads), num_gpus=int(gpus > 0), max_retries=RETRIES
        )
        self._handles: list[RayHandle] = []
        self._address = address

    def describe(self) -> str:
        machines = sum(node["Alive"] for node in self._ray.nodes())
        many = "1 machine" if machines == 1 else f"{machines} machines"
        return f"Ray cluster of {many}: {self.slots} runs at a time"

    def _check_machines(self, address: str) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = version("contragan")
        ask = self._ray.remote(installed_version)
        try:
            answers = [
                ask.options(
                    num_cpus=0,
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
                ).remote()
                for node in self._ray.nodes()
                if node["Alive"]
            ]
            found = dict(self._ray.get(answers, timeout=ANSWER_SECONDS))
        except (ImportError, self._ray.exceptions.RayError) as error:
            raise UserError(
                f"--on {address}: install contragan {here} on every machine of the cluster, and "
                f"start Ray with it ({_last_line(error)})"
            ) from error
        for machine, there in found.items():
            if there != here:
                raise UserError(
                    f"--on {address}: {machine} has contragan {there}, but {here} is needed: "
                    "install the same on every machine of the cluster"
                )

    def start(self, job: Job) -> RayHandle:
        environment = {
            "OMP_NUM_THREADS": self._threads,
            **{key: value for key, value in os.environ.items() if key.startswith("CONTRAGAN_")},
        }
        task = self._task.remote(list(job.words), str(job.folder), str(job.log), environment)
        handle = RayHandle(self._ray, task, job)
        self._handles = [other for other in self._handles if other.exit_code() is None]
        self._handles.append(handle)
        return handle

    def close(self) -> None:
        for handle in self._handles:
            handle.stop()
        self._ray.shutdown()


class RayHandle:
    """A task of a cluster."""

    def __init__(self, ray: Any, task: Any, job: Job) -> None:
        self._ray, self._task, self._job = ray, task, job
        self._code: int | None = None

    def exit_code(self) -> int | None:
        if self._code is None and self._ray.wait([self._task], timeout=0)[0]:
            self._code = self._result()
        return self._code

    def stop(self) -> None:
        if self._code is None:
            self._ray.cancel(self._task, force=False)

    def _result(self) -> int | None:
        try:
            return int(self._ray.get(self._task))
        except self._ray.exceptions.TaskCancelledError:
            return None if is_locked(self._job.folder) else _STOPPED
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            refused = isinstance(cause, UserError)
            self._tell(str(cause) if refused else _last_line(error))
            return BAD_INPUT if refused else _LOST

    def _tell(self, line: str) -> None:
        self._job.log.parent.mkdir(parents=True, exist_ok=True)
        with self._job.log.open("a", encoding="utf-8") as log:
            log.write(f"{attempt_line()}{line}\n")


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__


def _check_reachable(address: str) -> None:
    """Raises UserError where nothing listens there, which Ray itself finds out after minutes."""
    place = address if address != "ray" else os.environ.get("RAY_ADDRESS", "")
    host, separator, port = place.removeprefix("ray://").rpartition(":")
    if not separator or not port.isdigit():  # none is named, or Ray knows which is meant
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"--on {address} cannot be reached: nothing answers at {host}:{port} ({error})"
        ) from error


def _import_ray(address: str) -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError(
            f"--on {address} needs Ray, which is not installed: pip install 'contragan[ray]'"
        ) from error
    return ray
