"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from contragan.core.errors import UserError

MANY = 1000
"""Files above which a folder is not synced file by file."""

PATIENCE = 5.0 if os.name == "nt" else 0.0
"""Seconds to try again for: Windows replaces no file while somebody has it open, such as a study
that looks how far a training is."""


def expanded(path: Path) -> Path:
    """The path with a leading ``~`` as the home folder, which shells leave alone in ``--out=~/x``.

    Raises:
        UserError: nobody has that home.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise UserError(f"{path}: there is no such home folder. Write the whole path") from error


def read_text(path: Path) -> str:
    """A text file.

    Raises:
        UserError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged: it is not UTF-8 text") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def sync(path: Path) -> None:
    """Wait until a file's or folder's content has reached the disk; Windows syncs only files."""
    if sys.platform == "win32" and path.is_dir():
        return
    # Windows refuses to sync what is not open for writing.
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_all(paths: list[Path]) -> None:
    if len(paths) > MANY and hasattr(os, "sync"):
        os.sync()  # of all that the system has to write: far faster than file by file
        return
    for path in paths:
        sync(path)


def writing_failed(path: Path, error: OSError) -> UserError:
    """The clear line for a write that the file system refused."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return UserError(f"the disk is full: cannot write {path}. Free some space and go on")
    return UserError(f"cannot write {path}: {error.strerror or error}")


def _replace(source: Path, target: Path) -> None:
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            return os.replace(source, target)
        except PermissionError:
            if time.monotonic() >= give_up:
                raise
            time.sleep(0.05)


@contextmanager
def whole(
    path: Path, refusal: Callable[[Path, OSError], UserError] = writing_failed
) -> Iterator[Path]:
    """Yield a temporary sibling of ``path``, renamed to it when the block ends without error.

    The block writes a file or makes a folder of that name. On an error nothing stays. The only way
    in which files appear whole: everything that must not be seen half-written goes through it.

    Raises:
        UserError: the disk is full, or the place cannot be written; ``refusal`` words it.
    """
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if path.is_dir() and not temporary.is_dir():
            raise UserError(
                f"{path} is a folder, and would be replaced by a file: give another name"
            )
        if temporary.is_dir():
            _sync_all(list(temporary.rglob("*")))
        sync(temporary)
        old = path.with_name(f"{temporary.name}.old")
        if path.is_dir():
            _replace(path, old)
        _replace(temporary, path)
        shutil.rmtree(old, ignore_errors=True)
        with suppress(OSError):  # some file systems cannot sync a folder
            sync(path.parent)
    except BaseException as error:
        with suppress(OSError):
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise refusal(path, error) from error
        raise


def check_writable(folder: Path, option: str) -> None:
    """Try whether a folder can be made and written in; leaves nothing behind.

    Raises:
        UserError: it cannot; names the option that asked for it.
    """
    made: list[Path] = []
    try:
        for path in (*reversed(folder.absolute().parents), folder.absolute()):
            if not path.is_dir():
                path.mkdir()
                made.append(path)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{option} {folder} cannot be written ({reason}): give another") from error
    finally:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, in UTF-8 with ``\\n`` at the ends of its lines."""
    with whole(path) as temporary:
        # The same bytes on every system: a resumed file equals an uninterrupted one.
        temporary.write_text(text, encoding="utf-8", newline="\n")
