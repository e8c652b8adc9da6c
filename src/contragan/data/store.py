"""Decoded images, packed into one file and found again by what they were decoded from."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from contragan.core.cache import IMAGES, make_cache
from contragan.core.cores import num_cores
from contragan.core.errors import UserError
from contragan.core.files import whole
from contragan.core.locking import lock
from contragan.core.resolution import height_width
from contragan.data.base import Block, Labels, Pixels, Rows, Source
from contragan.data.look import Look
from contragan.data.preprocess import Preprocess
from contragan.data.unreadable import UnreadableImages, told

T = TypeVar("T")

FORMAT = 2
ROWS_PER_TASK = 64
_FULL = {errno.ENOSPC, errno.EDQUOT}

Progress = Callable[[int, int], None]
"""Called with the number of images decoded so far, and of all."""


@dataclass(frozen=True)
class Store:
    """A folder with ``pixels.u8`` (N, H, W, C), ``labels.npy`` (N,) and ``index.json``."""

    folder: Path
    shape: tuple[int, int, int, int]
    labels: Labels
    fingerprint: str
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def num_bytes(self) -> int:
        """Size of the pixels."""
        return int(np.prod(self.shape, dtype=np.int64))

    def pixels(self, in_memory: bool) -> Pixels:
        """The images, read into memory or as a read-only memory map."""
        path = self.folder / "pixels.u8"
        if in_memory:
            return np.fromfile(path, np.uint8).reshape(self.shape)
        return np.memmap(path, np.uint8, "r", shape=self.shape)


def find_or_build(
    source: Source,
    preprocess: Preprocess,
    cache: Path,
    *,
    name: str = "",
    skip_unreadable: bool = False,
    progress: Progress | None = None,
) -> Store:
    """The decoded images of ``source``, from the cache or decoded now.

    ``name`` is what ``contragan cache`` calls them.

    A store appears whole or not at all, however many processes want it and whenever they stop. It
    is kept where images are unreadable: whoever skips them next decodes nothing again.

    Raises:
        UnreadableImages: all of them, unless they are skipped.
        UserError: a class without readable images, or a full disk.
    """
    key = hashlib.blake2b(digest_size=16)
    for part in (f"format {FORMAT}", preprocess.key, *source.class_names):
        key.update(part.encode() + b"\n")
    for part in source.key_parts():
        key.update(part.encode(errors="surrogateescape") + b"\n")
    folder = cache / IMAGES / key.hexdigest()
    with _explained(cache):
        if not folder.is_dir():
            make_cache(cache)
            folder.parent.mkdir(parents=True, exist_ok=True)
            with lock(folder.with_suffix(".lock")) as held:
                if not folder.is_dir():
                    if held:
                        _remove_leftovers(folder)
                    with whole(folder, lambda _, error: _refusal(cache, error)) as partial:
                        partial.mkdir()
                        _write(source, preprocess, partial, name, progress)
        store = _open(folder, len(source.class_names))
    if store.failures and not skip_unreadable:
        raise UnreadableImages(store.failures)
    return store


@contextmanager
def _explained(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _refusal(cache, error) from error


def _refusal(cache: Path, error: OSError) -> UserError:
    if error.errno in _FULL:
        return UserError(
            f"no space left for the decoded images in {cache}: free some, or set "
            "CONTRAGAN_CACHE to a folder on another disk; nothing was left behind"
        )
    return UserError(
        f"cannot keep decoded images in {cache} ({error}): set CONTRAGAN_CACHE to another folder"
    )


def _open(folder: Path, num_classes: int) -> Store:
    try:
        index: dict[str, Any] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        n, h, w, c = (int(size) for size in index["shape"])
        labels: Labels = np.load(folder / "labels.npy", allow_pickle=False)
        failures, notes, warnings = (
            tuple(str(line) for line in index[name]) for name in ("failures", "notes", "warnings")
        )
        fingerprint = str(index["fingerprint"])
        store = Store(folder, (n, h, w, c), labels, fingerprint, failures, notes, warnings)
        is_whole = (
            (folder / "pixels.u8").stat().st_size == store.num_bytes
            and labels.shape == (n,)
            and labels.dtype == np.int64
            and set(np.unique(labels).tolist()) <= set(range(num_classes))
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, EOFError) as error:
        raise _damaged(folder) from error
    if not is_whole:
        raise _damaged(folder)
    return store


def _damaged(folder: Path) -> UserError:
    return UserError(f"the decoded images in {folder} are damaged: remove that folder")


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left; whoever holds the lock knows that nobody is at work."""
    for pattern in (f".{folder.name}.*.tmp*", f"{folder.name}.tmp-*"):  # the second of version 0.1
        for leftover in folder.parent.glob(pattern):
            shutil.rmtree(leftover, ignore_errors=True)


def _write(
    source: Source,
    preprocess: Preprocess,
    folder: Path,
    name: str,
    progress: Progress | None,
) -> None:
    rows = source.open(preprocess)
    look = Look(len(source.class_names))
    labels: list[Labels] = []
    failures: list[str] = []
    content = hashlib.blake2b(digest_size=16)
    content.update("\n".join(source.class_names).encode())
    assert preprocess.resolution is not None
    assert preprocess.channels is not None
    image_shape = (*height_width(preprocess.resolution), preprocess.channels)
    with open(folder / "pixels.u8", "wb") as file:
        _reserve(file.fileno(), len(rows) * int(np.prod(image_shape)))
        done = 0
        for block in decode_all(rows):
            failures.extend(block.failures)
            file.write(block.images.data)
            content.update(block.images.data)
            labels.append(block.labels)
            look.see(block)
            done += len(block.labels) + len(block.failures)
            if progress is not None:
                progress(done, len(rows))
        file.truncate()
    all_labels = np.concatenate(labels)
    content.update(all_labels.tobytes())
    _check_classes(all_labels, source.class_names, failures)
    with open(folder / "labels.npy", "wb") as file:
        np.save(file, all_labels)
    index = {
        "format": FORMAT,
        "name": name,
        "shape": [len(all_labels), *image_shape],
        "fingerprint": content.hexdigest(),
        "failures": failures,
        "notes": look.notes(),
        "warnings": look.warnings(source.class_names),
    }
    with open(folder / "index.json", "w", encoding="utf-8") as text:
        json.dump(index, text)


def _check_classes(labels: Labels, names: tuple[str, ...], failures: list[str]) -> None:
    if not failures:
        return
    empty = np.flatnonzero(np.bincount(labels, minlength=len(names)) == 0)
    if len(empty):
        raise UserError(
            f"no image of class {names[empty[0]]} can be read; the first unreadable image is "
            f"{told(failures[0])}"
        )


def decode_all(rows: Rows, rows_per_task: int | None = None) -> Iterator[Block]:
    """Blocks of all rows in order, decoded by as many threads as there are cores."""
    return in_blocks(rows.read, len(rows), rows_per_task or ROWS_PER_TASK)


def in_blocks(read: Callable[[int, int], T], count: int, at_once: int) -> Iterator[T]:
    """What ``read(start, stop)`` returns for each part of ``count`` rows, in order.

    Threads serve: Pillow works outside the interpreter lock, and nothing is copied between
    processes.
    """
    workers = num_cores()
    starts = iter(range(0, count, at_once))
    pending: list[Future[T]] = []
    with ThreadPoolExecutor(workers, "decode") as pool:
        try:
            while True:
                for start in starts:
                    pending.append(pool.submit(read, start, min(start + at_once, count)))
                    if len(pending) >= 4 * workers:
                        break
                if not pending:
                    return
                yield pending.pop(0).result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _reserve(descriptor: int, num_bytes: int) -> None:
    """Claim the space before the hours of decoding, where the system can."""
    if num_bytes and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, num_bytes)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
                raise
