"""One process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path``; other processes wait. It is removed afterwards.

    The kernel frees the lock of a process that dies. Yields false where the file system has no
    locks: then nobody waits, and whoever asked must still be right, if slower.
    """
    descriptor, held = _acquire(path)
    try:
        yield held
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path) -> tuple[int, bool]:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            return descriptor, False
        except BaseException:  # an interrupt while waiting
            os.close(descriptor)
            raise
        # The holder before us removed the file: then ours is no longer the one others open.
        try:
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor, True
        except FileNotFoundError:
            pass
        os.close(descriptor)
