"""What started this process, and which others train with it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

from contragan.core.errors import UserError

Environment = Mapping[str, str]

SHELLS = {"bash", "interactive"}
"""Names that SLURM gives to jobs that are a shell to type in."""

_PORTS = range(15_000, 32_000)


@dataclass(frozen=True)
class Launch:
    """This process's place among those that train together.

    ``launcher`` started them; where it is None, this command starts those of its own machine.
    """

    launcher: str | None
    world_size: int
    rank: int
    local_rank: int
    devices: int
    """Processes on this machine."""
    nodes: int
    address: str = "127.0.0.1"
    port: int | None = None
    others: str = ""
    """What to look at if the others do not come."""

    @property
    def place(self) -> str:
        """This process for people."""
        where = "" if self.port is None else f", which meet at {self.address}:{self.port}"
        return f"process {self.rank + 1} of {self.world_size}{where}"


def find_launch(devices: int | None, nodes: int | None, env: Environment = os.environ) -> Launch:
    """What the launcher says, else what was asked for, else one process.

    Raises:
        UserError: ``devices`` or ``nodes`` contradict the launcher, or its variables make no sense.
    """
    _refuse_mpi(env)
    launch = _by_variables(env) or _by_slurm(env)
    if launch is None:
        return _own(devices or 1, nodes or 1, env)
    if not 0 <= launch.rank < launch.world_size:
        raise UserError(
            f"{launch.launcher} calls this process {launch.rank} (from 0) of {launch.world_size}, "
            "which cannot be: look at the variables that it sets"
        )
    for option, asked, found, what in (
        ("--devices", devices, launch.devices, "on this machine"),
        ("--nodes", nodes, launch.nodes, "machines"),
    ):
        if asked is not None and asked != found:
            processes = "process" if found == 1 else "processes"
            said = f"{found} {what}" if option == "--nodes" else f"{found} {processes} {what}"
            raise UserError(
                f"{option} {asked}, but {launch.launcher} started {said}: leave {option} out, or "
                f"start it with {_remedy(launch, option, asked)}"
            )
    return launch


def _remedy(launch: Launch, option: str, asked: int) -> str:
    if launch.launcher == "SLURM":
        name = "--ntasks-per-node" if option == "--devices" else "--nodes"
        return f"`srun {name}={asked}`"
    name = "--nproc-per-node" if option == "--devices" else "--nnodes"
    return f"`torchrun {name} {asked}`"


def _by_variables(env: Environment) -> Launch | None:
    """Torchrun, or anything else that sets the variables that PyTorch reads."""
    if "RANK" not in env or "WORLD_SIZE" not in env:
        return None
    world_size = _number(env, "WORLD_SIZE")
    devices = _number(env, "LOCAL_WORLD_SIZE", 1)
    name = "torchrun" if "TORCHELASTIC_RUN_ID" in env else "the launcher (WORLD_SIZE)"
    return Launch(
        launcher=name,
        world_size=world_size,
        rank=_number(env, "RANK"),
        local_rank=_number(env, "LOCAL_RANK", 0),
        devices=devices,
        nodes=_number(env, "GROUP_WORLD_SIZE", max(1, world_size // max(1, devices))),
        address=env.get("MASTER_ADDR", "127.0.0.1"),
        port=_number(env, "MASTER_PORT", 29_500),
        others=f"{name} was told to start {world_size}",
    )


def _by_slurm(env: Environment) -> Launch | None:
    """A task of SLURM; a shell within an allocation is not a task.

    What ``srun`` says about its own step overrides what was said about the whole job.
    """
    tasks = _first(env, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
    if tasks is None or "SLURM_PROCID" not in env:
        return None
    if env.get("SLURM_JOB_NAME") in SHELLS and _number(env, "SLURM_STEP_NUM_TASKS", 1) == 1:
        return None
    world_size = _number(env, tasks)
    counted = _first(env, "SLURM_STEP_NUM_NODES", "SLURM_NNODES", "SLURM_JOB_NUM_NODES")
    nodes = 1 if counted is None else _number(env, counted)
    listed = _first(env, "SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST")
    first = env[listed] if listed is not None else "127.0.0.1"
    job, step = _number(env, "SLURM_JOB_ID", 0), _number(env, "SLURM_STEP_ID", 0)
    return Launch(
        launcher="SLURM",
        world_size=world_size,
        rank=_number(env, "SLURM_PROCID"),
        local_rank=_number(env, "SLURM_LOCALID", 0),
        devices=_tasks_here(env, world_size, nodes),
        nodes=nodes,
        address=env.get("MASTER_ADDR", SLURMEnvironment.resolve_root_node_address(first)),
        # Every task must find the same port, and two steps of a job different ones.
        port=_number(env, "MASTER_PORT", _PORTS[(job + 1009 * step) % len(_PORTS)]),
        others=(
            f"srun was told to start {world_size} tasks"
            if tasks.startswith("SLURM_STEP")
            else f"SLURM gave {world_size} tasks, which only srun starts: put `srun` before the "
            "command"
        ),
    )


def _tasks_here(env: Environment, world_size: int, nodes: int) -> int:
    listed = _first(env, "SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE")
    counts: list[int] = []
    text = "" if listed is None else env[listed]
    for part in text.split(",") if text else ():  # such as 4(x2),3
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if match is None:
            raise UserError(f"{listed}={text} is not a list of numbers of tasks")
        counts += [int(match[1])] * int(match[2] or 1)
    node = _number(env, "SLURM_NODEID", 0)
    if node < len(counts):
        return counts[node]
    return _number(env, "SLURM_NTASKS_PER_NODE", max(1, world_size // max(1, nodes)))


def _refuse_mpi(env: Environment) -> None:
    # SLURM sets the second too, for programs that use MPI.
    for name in ("OMPI_COMM_WORLD_SIZE", *(() if "SLURM_JOB_ID" in env else ("PMI_SIZE",))):
        if _number(env, name, 1) > 1 and "RANK" not in env:
            raise UserError(
                f"mpirun started {env[name]} processes, but does not tell them how to find each "
                "other: start them with torchrun or srun"
            )


def _own(devices: int, nodes: int, env: Environment) -> Launch:
    """Processes that this command starts itself, the same on each of several machines."""
    needed = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")
    missing = [name for name in needed if name not in env]
    if nodes > 1 and missing:
        raise UserError(
            f"--nodes {nodes}: set {', '.join(missing)} on each machine, or start it with torchrun "
            "or srun, which do"
        )
    local_rank = _number(env, "LOCAL_RANK", 0) if devices > 1 else 0
    return Launch(
        launcher=None,
        world_size=devices * nodes,
        rank=(_number(env, "NODE_RANK", 0) if nodes > 1 else 0) * devices + local_rank,
        local_rank=local_rank,
        devices=devices,
        nodes=nodes,
        address=env.get("MASTER_ADDR", "127.0.0.1"),
        port=_number(env, "MASTER_PORT") if "MASTER_PORT" in env else None,
        others=(
            "start the same command on every machine, each with its NODE_RANK"
            if nodes > 1
            else "see what the others said"
        ),
    )


def _first(env: Environment, *names: str) -> str | None:
    return next((name for name in names if name in env), None)


def _number(env: Environment, name: str, otherwise: int | None = None) -> int:
    if name not in env and otherwise is not None:
        return otherwise
    try:
        return int(env[name])
    except (KeyError, ValueError):
        raise UserError(f"{name}={env.get(name, '')} is not a number: see who sets it") from None
