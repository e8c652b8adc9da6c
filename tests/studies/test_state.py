"""How far a run is, as its folder tells."""

import json
import time
from pathlib import Path

from pretended_study import TOTAL, pretend

from contragan.core.files import write_text
from contragan.core.locking import file_lock
from contragan.runs.lock import RunLock
from contragan.studies.record import RecordedRun
from contragan.studies.state import (
    attempt_line,
    failure_file,
    is_done,
    last_line,
    log_file,
    state_of,
)


def recorded(name: str = "run", *, total: int = TOTAL, evaluated: bool = True) -> RecordedRun:
    return RecordedRun(
        row="a",
        column="b",
        seed=0,
        name=name,
        data="digits",
        total_iterations=total,
        evaluated=evaluated,
    )


def test_a_trained_run_is_done(trained_run: Path) -> None:
    assert is_done(trained_run, recorded(total=8))
    assert not is_done(trained_run, recorded(total=12))


def test_a_run_that_is_never_evaluated_is_done_at_its_last_checkpoint(tmp_path: Path) -> None:
    pretend(tmp_path / "run", TOTAL)
    (tmp_path / "run" / "checkpoints" / f"step-{TOTAL:07d}" / "evaluated.json").unlink()
    assert not is_done(tmp_path / "run", recorded())
    assert is_done(tmp_path / "run", recorded(evaluated=False))


def test_a_run_goes_from_waiting_to_done(tmp_path: Path) -> None:
    run, folder = recorded(), tmp_path / "run"
    assert state_of(tmp_path, run).kind == "waiting"
    lock = RunLock(folder)
    lock.take()
    records = [{"step": step, "name": "d/adversarial", "value": 1.0} for step in (1, 3)]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    write_text(folder / "metrics.jsonl", lines + '{"step": 4, "na')
    state = state_of(tmp_path, run)
    assert (state.kind, state.iteration) == ("running", 3)
    lock.release()
    pretend(folder, 2)
    state = state_of(tmp_path, run)
    assert (state.kind, state.iteration) == ("waiting", 2), "from its last checkpoint"
    failure_file(tmp_path, "run").write_text("why\n")
    state = state_of(tmp_path, run)
    assert (state.kind, state.detail) == ("failed", "why")
    pretend(folder, TOTAL)
    assert state_of(tmp_path, run).kind == "done"


def test_a_lock_file_that_a_killed_run_left_is_not_a_lock(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    assert state_of(tmp_path, recorded()).kind == "waiting"


def test_who_looks_does_not_keep_a_training_from_starting(tmp_path: Path) -> None:
    probe = file_lock(tmp_path / ".lock")
    probe.acquire()
    started = time.monotonic()

    class Released(RunLock):
        def _make_folder(self) -> None:
            super()._make_folder()
            from threading import Timer

            Timer(0.05, probe.release).start()

    lock = Released(tmp_path)
    lock.take()
    assert 0.04 < time.monotonic() - started < 5
    lock.release()


def test_a_log_s_last_line(tmp_path: Path) -> None:
    log = log_file(tmp_path, "run")
    assert last_line(log) == ""
    log.write_bytes(b"x" * 100_000 + b"\nerror: it is so\n\n \n")
    assert last_line(log) == "error: it is so"
    with log.open("a") as file:
        file.write(attempt_line())  # the next attempt, which is killed at once
    assert last_line(log) == ""


def test_a_hundred_runs_are_looked_at_in_no_time(tmp_path: Path) -> None:
    runs = [recorded(f"run{index}") for index in range(100)]
    for run in runs:
        pretend(tmp_path / run.name, TOTAL)
    started = time.perf_counter()
    assert all(state_of(tmp_path, run).kind == "done" for run in runs)
    assert time.perf_counter() - started < 1
