"""One process at a time."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock

NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""What a file system without locks answers, as some networks' do."""


def file_lock(path: Path) -> BaseFileLock:
    """A lock that the system frees when its process dies, however it dies."""
    # No file as a stand-in where there are no locks: a killed process would leave it for ever.
    return FileLock(path, thread_local=False, fallback_to_soft=False)


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path``; other processes wait. It is removed afterwards.

    Yields false where the file system has no locks: then nobody waits, and whoever asked must
    still be right, if slower.
    """
    guard, held = file_lock(path), True
    try:
        guard.acquire()
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        held = False
    try:
        yield held
    finally:
        with suppress(OSError):  # Windows removes it by itself
            path.unlink(missing_ok=True)
        guard.release()
