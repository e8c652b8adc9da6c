"""One training at a time in a run's folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import Timeout

from contragan.core.errors import UserError
from contragan.core.files import write_text, writing_failed
from contragan.core.locking import NO_LOCKS, file_lock

LOCK, HOLDER = ".lock", ".lock.json"

A_GLANCE = 0.2
"""Seconds to wait for the lock: who only looks whether it is held holds it for a moment."""


class RunLock:
    """The right to train in a run's folder, from before anything is written to the end.

    The lock is the operating system's, so that it vanishes with its process. A file beside it says
    who holds it, for those who come second.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = file_lock(folder / LOCK)
        self._made: list[Path] = []
        self._taken = False

    def take(self) -> str | None:
        """Take the lock; returns what the user should know about it, if anything.

        Raises:
            UserError: another process holds it (names process, host and since when), or the folder
                cannot be written.
        """
        try:
            self._make_folder()
            self._lock.acquire(timeout=A_GLANCE, poll_interval=A_GLANCE / 4)
            told = self._predecessor()
            self._sign()
        except Timeout:
            raise UserError(
                f"{_said(holder(self.folder))} is training in {self.folder}: wait until it ends, "
                "or give another --out"
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise writing_failed(self.folder / LOCK, error) from error
            told = (
                f"{self.folder} is on a file system without locks: make sure that no second "
                "training is started in it"
            )
        self._taken = True
        return told

    def release(self) -> None:
        """Give it back; what was made for it and never used goes too."""
        if self._taken:
            for name in (HOLDER, LOCK):
                with suppress(OSError):  # Windows keeps a file that is locked: the release takes it
                    (self.folder / name).unlink(missing_ok=True)
        self._lock.release()
        if self._taken and self._made:
            with suppress(OSError):
                if all(is_leftover(item.name) for item in self.folder.iterdir()):
                    shutil.rmtree(self.folder, ignore_errors=True)
        self._taken = False
        for path in reversed(self._made):
            with suppress(OSError):
                path.rmdir()

    def _make_folder(self) -> None:
        folder = self.folder.absolute()
        for path in (*reversed(folder.parents), folder):
            with suppress(FileExistsError):
                path.mkdir()
                self._made.append(path)

    def _sign(self) -> None:
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        facts = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
        write_text(self.folder / HOLDER, json.dumps(facts) + "\n")

    def _predecessor(self) -> str | None:
        """On networks' file systems a lock may not reach from one machine to another."""
        found = holder(self.folder)
        if found is None or found["host"] == socket.gethostname():
            return None
        return (
            f"{_said(found)} was training in {self.folder} and did not end properly: make sure "
            "that it is gone"
        )


def is_leftover(name: str) -> bool:
    """Whether a file of this name is what a killed process was about to write."""
    return name.startswith(".") and name.endswith(".tmp")


def holder(folder: Path) -> dict[str, Any] | None:
    """Who says that it trains in a run's folder: ``process``, ``host`` and ``since``."""
    try:
        facts = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return {name: facts[name] for name in ("process", "host", "since")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _said(found: dict[str, Any] | None) -> str:
    if found is None:
        return "another process"
    return f"process {found['process']} on {found['host']} (since {found['since']})"
