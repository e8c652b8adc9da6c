"""One training at a time in a folder, and the second is told who holds it."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from systems import posix_signals

from contragan.core.errors import UserError
from contragan.runs.lock import HOLDER, LOCK, RunLock
from contragan.runs.run import is_free

HOLD = """
import sys, time
from pathlib import Path
from contragan.runs.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
lock.take()
print("held", flush=True)
time.sleep(60)
"""


def test_the_second_is_told_who_holds_it_and_leaves_no_trace(tmp_path: Path) -> None:
    first, second = RunLock(tmp_path / "run"), RunLock(tmp_path / "run")
    assert first.take() is None
    before = sorted((tmp_path / "run").iterdir())
    who = rf"process {os.getpid()} on {socket.gethostname()} \(since 20\d\d-.*\) is training in"
    with pytest.raises(UserError, match=who):
        second.take()
    second.release()
    assert sorted((tmp_path / "run").iterdir()) == before
    first.release()
    assert second.take() is None
    second.release()


@posix_signals
def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    lock = RunLock(folder)
    with pytest.raises(UserError, match=f"process {child.pid} on"):
        lock.take()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert is_free(folder)
    assert lock.take() is None
    assert json.loads((folder / HOLDER).read_text())["process"] == os.getpid()
    lock.release()


def test_what_was_made_for_it_goes_unless_it_was_used(tmp_path: Path) -> None:
    lock = RunLock(tmp_path / "a" / "b" / "run")
    lock.take()
    lock.release()
    assert not list(tmp_path.iterdir())
    lock.take()
    (tmp_path / "a" / "b" / "run" / "recipe.yaml").touch()
    lock.release()
    assert (tmp_path / "a" / "b" / "run" / "recipe.yaml").exists()
    assert not (tmp_path / "a" / "b" / "run" / HOLDER).exists()


def test_a_holder_on_another_machine_that_did_not_end_is_named(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()
    facts = {"process": 7, "host": "node-of-old", "since": "2026-01-02 03:04:05+00:00"}
    (tmp_path / HOLDER).write_text(json.dumps(facts))
    lock = RunLock(tmp_path)
    assert "process 7 on node-of-old" in str(lock.take())
    lock.release()


def test_without_locks_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*args: Any) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", unsupported)
    lock = RunLock(tmp_path / "run")
    assert "without locks" in str(lock.take())
    lock.release()
    assert not (tmp_path / "run").exists()
