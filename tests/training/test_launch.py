"""What the launcher's variables say, and what contradicts them."""

from typing import Any

import pytest

from contragan.core.errors import UserError
from contragan.training.launch import find_launch

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "GROUP_WORLD_SIZE": "2",
    "MASTER_ADDR": "node1",
    "MASTER_PORT": "29400",
}
BATCH = {
    "SLURM_JOB_ID": "123456",
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "4",
    "SLURM_NNODES": "2",
    "SLURM_TASKS_PER_NODE": "2(x2)",
    "SLURM_JOB_NODELIST": "gpu[07-08]",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}
"""Of a batch script, before any srun."""
SRUN = BATCH | {
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
}


def place(env: dict[str, str], devices: int | None = None, nodes: int | None = None) -> Any:
    found = find_launch(devices, nodes, env)
    return found.rank, found.world_size, found.local_rank, found.devices, found.nodes


def test_one_process_unless_asked_for_more() -> None:
    assert place({}) == (0, 1, 0, 1, 1)
    assert place({}, 3) == (0, 3, 0, 3, 1)
    # As Lightning starts the others of this machine.
    assert place({"LOCAL_RANK": "2", "NODE_RANK": "0", "WORLD_SIZE": "3"}, 3) == (2, 3, 2, 3, 1)


def test_several_machines_need_to_be_told_of_each_other() -> None:
    with pytest.raises(UserError, match="set MASTER_ADDR, MASTER_PORT, NODE_RANK"):
        find_launch(2, 2, {})
    env = {"MASTER_ADDR": "node1", "MASTER_PORT": "29500", "NODE_RANK": "1", "LOCAL_RANK": "1"}
    assert place(env, 2, 2) == (3, 4, 1, 2, 2)


def test_torchrun() -> None:
    expected = (3, 4, 1, 2, 2)
    assert place(TORCHRUN) == place(TORCHRUN, 2) == place(TORCHRUN, 2, 2) == expected
    # It counts more than SLURM's job that it was started in.
    assert place(TORCHRUN | BATCH) == expected
    found = find_launch(None, None, TORCHRUN)
    assert (found.address, found.port) == ("node1", 29400)


def test_srun() -> None:
    expected = (3, 4, 1, 2, 2)
    assert place(SRUN) == place(SRUN, 2, 2) == expected
    first, second = (find_launch(None, None, SRUN | {"SLURM_STEP_ID": k}) for k in "01")
    assert first.address == "gpu07"
    assert first.port != second.port
    # What srun says of its step counts more than what sbatch was told.
    one = {"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1", "SLURM_PROCID": "0"}
    one |= {"SLURM_STEP_TASKS_PER_NODE": "1", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    assert place(SRUN | one) == (0, 1, 0, 1, 1)


def test_srun_with_unlike_machines() -> None:
    unlike = SRUN | {"SLURM_STEP_TASKS_PER_NODE": "2,1(x2)", "SLURM_STEP_NUM_NODES": "3"}
    found = find_launch(None, None, unlike | {"SLURM_NODEID": "2"})
    assert (found.devices, found.nodes) == (1, 3)


def test_tasks_without_their_number_on_each_machine() -> None:
    """As `sbatch --ntasks=2` leaves it."""
    env = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "1"}
    assert place(env) == (1, 2, 1, 2, 1)


def test_a_batch_script_without_srun_is_told_of_it() -> None:
    assert "put `srun` before" in find_launch(None, None, BATCH).others
    assert "put `srun` before" not in find_launch(None, None, SRUN).others


@pytest.mark.parametrize(
    "shell",
    [
        {"SLURM_JOB_NAME": "interactive"},
        {"SLURM_JOB_NAME": "bash", "SLURM_STEP_NUM_TASKS": "1"},
    ],
)
def test_a_shell_to_type_in_trains_on_its_own(shell: dict[str, str]) -> None:
    assert place(BATCH | shell) == (0, 1, 0, 1, 1)
    assert place(BATCH | shell, 2) == (0, 2, 0, 2, 1)
    # srun in it starts tasks as anywhere else.
    assert place(SRUN | {"SLURM_JOB_NAME": "interactive"}) == (3, 4, 1, 2, 2)


def test_a_shell_of_salloc_is_no_task() -> None:
    salloc = {name: value for name, value in BATCH.items() if "ID" not in name}
    assert place(salloc) == (0, 1, 0, 1, 1)


@pytest.mark.parametrize(
    ("env", "devices", "nodes", "message"),
    [
        (TORCHRUN, 3, None, r"--devices 3, but torchrun started 2 processes on this machine"),
        (TORCHRUN, 2, 1, r"--nodes 1, but torchrun started 2 machines"),
        (SRUN, 4, None, r"--devices 4, but SLURM started 2 processes.*srun --ntasks-per-node=4"),
        (SRUN, None, 4, r"--nodes 4, but SLURM started 2 machines.*srun --nodes=4"),
        (
            BATCH | {"SLURM_NTASKS": "1", "SLURM_NNODES": "1", "SLURM_TASKS_PER_NODE": "1"},
            2,
            None,
            r"--devices 2, but SLURM started 1 process on",
        ),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, None, None, "mpirun started 2 processes"),
        ({"PMI_SIZE": "2"}, 2, None, "mpirun started 2 processes"),
        (TORCHRUN | {"WORLD_SIZE": "two"}, None, None, "WORLD_SIZE=two is not a number"),
        (TORCHRUN | {"RANK": "4"}, None, None, r"this process 4 \(from 0\) of 4"),
        (SRUN | {"SLURM_STEP_TASKS_PER_NODE": "x"}, None, None, "SLURM_STEP_TASKS_PER_NODE=x"),
    ],
)
def test_contradictions(
    env: dict[str, str], devices: int | None, nodes: int | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        find_launch(devices, nodes, env)
