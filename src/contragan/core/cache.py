"""The cache folder: where it is, what in it is ours, how large that is, and how it is removed."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from contragan.core.errors import UserError
from contragan.core.files import expanded, write_text
from contragan.core.locking import NO_LOCKS, file_lock
from contragan.core.words import counted

IMAGES, STATISTICS, DOWNLOADS, UNPACKED = "stores", "statistics", "downloads", "unpacked"
"""The folders in it: decoded data sets, statistics of features, files of data sets, and archives of
images unpacked."""

KINDS = {
    "images": IMAGES,
    "statistics": STATISTICS,
    "downloads": DOWNLOADS,
    "unpacked": UNPACKED,
}

TAG = "CACHEDIR.TAG"
"""Marks a folder as a cache, for backup programs too (https://bford.info/cachedir/)."""

_TAG_TEXT = """Signature: 8a477f597d28d172789f06886806bc55
# This folder is a cache made by contragan. Everything that it made here can be made again.
"""

_DOWNLOADED = {
    r"cifar-10-(batches-py|python\.tar\.gz)": "CIFAR-10",
    r"cifar-100-python(\.tar\.gz)?": "CIFAR-100",
    r"MNIST": "MNIST",
    r"FashionMNIST": "Fashion-MNIST",
    r"stl10_binary(\.tar\.gz)?": "STL-10",
    r"(train|test)_32x32\.mat": "SVHN",
}
_STORE = re.compile(r"\.?([0-9a-f]{32})(\.lock|\.tmp-.*|\..*\.tmp(\.old)?)?")
_STATISTICS = re.compile(r"[0-9a-f]{32}\.np[yz]")
_LEFTOVER = re.compile(r"\..*\.(partial|tmp)")
_AN_HOUR = 3600


@dataclass(frozen=True)
class Entry:
    """Something in the cache: the paths it consists of, and the bytes in them."""

    kind: str
    name: str
    paths: tuple[Path, ...]
    num_bytes: int


def cache_folder() -> Path:
    """``$CONTRAGAN_CACHE``, or ``~/.cache/contragan``."""
    return expanded(Path(os.environ.get("CONTRAGAN_CACHE") or "~/.cache/contragan"))


def make_cache(folder: Path) -> None:
    """Make the cache folder, and mark it unless other things than ours lie in it.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / TAG).exists() and _holds_only_ours(folder):
        with suppress(UserError):  # what is kept here matters more than the mark
            write_text(folder / TAG, _TAG_TEXT)


def entries(folder: Path) -> list[Entry]:
    """What this package made in a cache folder, kind by kind; nothing where there is none."""
    found: list[Entry] = []
    makers = {
        "images": _stores,
        "statistics": _statistics,
        "downloads": _downloads,
        "unpacked": _unpacked,
    }
    for kind, make in makers.items():
        found += make(_items(folder / KINDS[kind]))
    return found


def clear(folder: Path, kinds: Iterable[str], warn: Callable[[str], None]) -> int:
    """Remove the entries of some kinds; returns the bytes freed. Anything else stays.

    Decoded images that another process is making stay too; ``warn`` gets a line on them.

    Raises:
        UserError: the folder is not a cache of ours, or something in it cannot be removed.
    """
    check_ours(folder)
    freed = 0
    try:
        for entry in entries(folder):
            if entry.kind in kinds and _remove(entry, folder):
                freed += entry.num_bytes
            elif entry.kind in kinds:
                warn(f"{entry.name} is being made by another process and stays")
        for kind in KINDS.values():
            with suppress(OSError):  # not empty
                (folder / kind).rmdir()
    except OSError as error:
        raise UserError(
            f"cannot remove {error.filename or folder}: {error.strerror or error}"
        ) from error
    return freed


def check_ours(folder: Path) -> None:
    """Raises UserError unless a folder is absent, or a cache that this package made."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder} is a file, not a cache folder: set CONTRAGAN_CACHE to a folder")
    with suppress(OSError, ValueError):
        if (folder / TAG).read_text(encoding="utf-8") == _TAG_TEXT:
            return
    if not _holds_only_ours(folder):
        raise UserError(
            f"{folder} holds other things than a cache of contragan: nothing was removed. Set "
            "CONTRAGAN_CACHE to the cache, or remove its folders "
            f"({', '.join(KINDS.values())}) yourself"
        )


def _holds_only_ours(folder: Path) -> bool:
    """Whether a folder is empty or has the layout of a cache, which old ones are known by."""
    rules: dict[str, Callable[[str], bool]] = {
        IMAGES: lambda name: bool(_STORE.fullmatch(name)),
        STATISTICS: lambda name: bool(_STATISTICS.fullmatch(name) or _LEFTOVER.fullmatch(name)),
        DOWNLOADS: lambda name: _title(name) is not None or name.endswith(".lock"),
        UNPACKED: lambda name: bool(_STORE.fullmatch(name)),
    }
    return all(
        item.name in rules
        and not item.is_symlink()
        and item.is_dir()
        and all(rules[item.name](inner.name) for inner in _items(item))
        for item in _items(folder)
        if not (item.name.startswith(f".{TAG}.") and item.name.endswith(".tmp"))
    )


def _items(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror or error}") from error


def _stores(items: list[Path]) -> Iterator[Entry]:
    """One entry for each decoded data set, with what killed processes left of it."""
    by_key: dict[str, list[Path]] = {}
    for path in items:
        if match := _STORE.fullmatch(path.name):
            by_key.setdefault(match[1], []).append(path)
    for key, paths in by_key.items():
        place = next((path for path in paths if path.name == key), None)
        name = f"unfinished {key[:8]}" if place is None else _store_name(place)
        yield Entry("images", name, tuple(paths), sum(map(_size, paths)))


def _store_name(store: Path) -> str:
    try:
        index = json.loads((store / "index.json").read_text(encoding="utf-8"))
        count, height, width, _ = index["shape"]
        name = index.get("name") or f"unnamed {store.name[:8]}"
        return f"{name}: {count:,} images of {width} x {height}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"damaged {store.name[:8]}"


def _statistics(items: list[Path]) -> Iterator[Entry]:
    """All files of statistics as one entry; what another process may be writing is left out."""
    paths = [path for path in items if _STATISTICS.fullmatch(path.name) or _is_old_leftover(path)]
    if paths:
        files = counted(len(paths), "file")
        yield Entry("statistics", files, tuple(paths), sum(map(_size, paths)))


def _is_old_leftover(path: Path) -> bool:
    with suppress(OSError):
        is_old = time.time() - path.lstat().st_mtime > _AN_HOUR
        return is_old and _LEFTOVER.fullmatch(path.name) is not None
    return False


def _downloads(items: list[Path]) -> Iterator[Entry]:
    by_title: dict[str, list[Path]] = {}
    for path in items:
        if (title := _title(path.name)) is not None:
            by_title.setdefault(title, []).append(path)
    for title, paths in by_title.items():
        yield Entry("downloads", title, tuple(paths), sum(map(_size, paths)))


def _unpacked(items: list[Path]) -> Iterator[Entry]:
    """One entry for each archive; what another process may be unpacking is left out."""
    for path in items:
        if re.fullmatch(r"[0-9a-f]{32}", path.name):
            names = ", ".join(inner.name for inner in _items(path))
            yield Entry("unpacked", names or f"unfinished {path.name[:8]}", (path,), _size(path))
        elif _STORE.fullmatch(path.name) and time.time() - path.lstat().st_mtime > _AN_HOUR:
            yield Entry("unpacked", f"leftover {path.name[:9]}", (path,), _size(path))


def _title(name: str) -> str | None:
    return next((title for rule, title in _DOWNLOADED.items() if re.fullmatch(rule, name)), None)


def _size(path: Path) -> int:
    """Bytes in a file or folder; links are not followed."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            return sum(_size(inner) for inner in path.iterdir())
        return path.lstat().st_size
    return 0


def _remove(entry: Entry, folder: Path) -> bool:
    """Remove an entry's paths; false, and nothing removed, where somebody is making it."""
    if entry.kind != "images":
        for path in entry.paths:
            _remove_path(path)
        return True
    match = _STORE.fullmatch(entry.paths[0].name)
    assert match is not None
    guard = file_lock(folder / IMAGES / f"{match[1]}.lock")
    try:
        guard.acquire(blocking=False)
    except Timeout:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    try:
        for path in entry.paths:
            _remove_path(path)
        Path(guard.lock_file).unlink(missing_ok=True)
    finally:
        guard.release()
    return True


def _remove_path(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
