"""How far a run is, read from its folder at little cost."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from filelock import Timeout

from contragan.core.locking import file_lock
from contragan.runs.lock import LOCK
from contragan.studies.record import RecordedRun

Kind = Literal["done", "running", "waiting", "failed"]

_TAIL = 1 << 16

_ATTEMPT = "--- "


@dataclass(frozen=True)
class RunState:
    """``iteration`` is the last one known of; ``detail`` says why a run failed."""

    kind: Kind
    iteration: int
    detail: str = ""


def log_file(pool: Path, name: str) -> Path:
    """Where a run's output goes, beside the run."""
    return pool / f"{name}.log"


def attempt_line() -> str:
    """The line that begins an attempt in a run's log."""
    return f"{_ATTEMPT}{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z}\n"


def failure_file(pool: Path, name: str) -> Path:
    """Holds one line that says why a run was given up; gone as soon as it is tried again."""
    return pool / f"{name}.failed"


def state_of(pool: Path, run: RecordedRun) -> RunState:
    """How far a run is; a run that stopped on its way is waiting."""
    folder = pool / run.name
    if is_done(folder, run):
        return RunState("done", run.total_iterations)
    iteration = last_iteration(folder)
    if is_locked(folder):
        return RunState("running", iteration)
    with suppress(OSError, UnicodeDecodeError):
        return RunState(
            "failed", iteration, failure_file(pool, run.name).read_text(encoding="utf-8").strip()
        )
    return RunState("waiting", saved_iteration(folder))


def is_done(folder: Path, run: RecordedRun) -> bool:
    """Whether a run's last checkpoint is at its last iteration, and evaluated if it is to be."""
    if saved_iteration(folder) < run.total_iterations:
        return False
    if not run.evaluated:
        return True
    last = folder / "checkpoints" / f"step-{run.total_iterations:07d}" / "evaluated.json"
    with suppress(OSError, ValueError):
        return isinstance(json.loads(last.read_text(encoding="utf-8")), dict)
    return False


def saved_iteration(folder: Path) -> int:
    """The iteration of a run's last checkpoint; 0 where there is none."""
    with suppress(OSError, ValueError):
        return int(
            (folder / "checkpoints" / "last")
            .read_text(encoding="utf-8")
            .strip()
            .removeprefix("step-")
        )
    return 0


def last_iteration(folder: Path) -> int:
    """The last iteration that a run's log tells of."""
    for line in reversed(_tail(folder / "metrics.jsonl").splitlines()):
        with suppress(ValueError, KeyError, TypeError):
            return int(json.loads(line)["step"])
    return saved_iteration(folder)


def last_line(path: Path) -> str:
    """The last line that the last attempt in a log has written; empty where there is none."""
    lines = _tail(path).decode(errors="replace").splitlines()
    last = next((line for line in reversed(lines) if line.strip()), _ATTEMPT)
    return "" if last.startswith(_ATTEMPT) else last.strip()


def _tail(path: Path) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        return file.read()
    return b""


def is_locked(folder: Path) -> bool:
    """Whether a process is training in a run's folder."""
    if not (folder / LOCK).exists():
        return False
    probe = file_lock(folder / LOCK)
    try:
        probe.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:  # no locks here, or a file of somebody else's
        return False
    probe.release()
    return False
