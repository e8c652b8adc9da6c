"""Where images lie: a folder or a list as it is, and archives unpacked into the cache once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from contragan.core.cache import UNPACKED, make_cache
from contragan.core.errors import UserError
from contragan.core.files import whole
from contragan.core.locking import lock
from contragan.data.archives import unpack_zip
from contragan.data.files import require_folder
from contragan.data.hugging_face import export_hub, export_parquet, parquet_files
from contragan.data.lists import LIST_SUFFIXES

Progress = Callable[[int, int], None]

_HUB = re.compile(r"(?:^|/)hf:(.+)$")


PACKED = frozenset({".zip", ".parquet"})


def hub_name(path: Path) -> str | None:
    """The data set of the Hugging Face hub that a path names, as ``hf:NAME``; None otherwise."""
    found = None if path.exists() else _HUB.search(path.as_posix())
    return None if found is None else found[1]


def is_packed(path: Path) -> bool:
    """Whether images must be unpacked, or fetched, before they are read."""
    if path.is_dir():
        return bool(parquet_files(path))
    return path.suffix.lower() in PACKED or hub_name(path) is not None


def is_data(path: Path) -> bool:
    """Whether a path is of a kind that :func:`located` takes: a folder, list, archive or name."""
    return path.is_dir() or path.suffix.lower() in {*PACKED, *LIST_SUFFIXES} or is_packed(path)


def located(
    path: Path | None, layout: str, cache: Path, progress: Progress | None = None
) -> tuple[Path, str | None]:
    """The folder or list that holds the images of ``path``, and a line on where it came from.

    A zip, Parquet files and a data set of the Hugging Face hub (``hf:NAME``) are unpacked into the
    cache, once; then the line is not None. ``layout`` is what an error says was expected.

    Raises:
        UserError: there is nothing, or nothing that can be read; an archive that is damaged or
            holds paths that lead out of it; no space.
    """
    if path is not None and (name := hub_name(path)) is not None:
        folder = _once(cache, f"hf:{name}", name, lambda to: export_hub(name, to, progress))
        return folder, f"{name} of the Hugging Face hub, kept in {folder}"
    if path is None or not path.is_file():
        folder = require_folder(path, layout)
        parquet = parquet_files(folder)
        if not parquet:
            return folder, None
        stamp = "\n".join(f"{file}\0{_stamp(file)}" for _, file in parquet)
        made = _once(cache, stamp, folder.name, lambda to: export_parquet(parquet, to, progress))
        return made, f"the Parquet files of {folder}, unpacked into {made}"
    path = path.resolve()
    suffix = path.suffix.lower()
    if suffix in LIST_SUFFIXES:
        return path, None
    if suffix == ".zip":
        made = _once(
            cache, f"{path}\0{_stamp(path)}", path.stem, lambda to: unpack_zip(path, to, progress)
        )
    elif suffix == ".parquet":
        made = _once(
            cache,
            f"{path}\0{_stamp(path)}",
            path.stem,
            lambda to: export_parquet([("train", path)], to, progress),
        )
    else:
        raise UserError(
            f"data path {path} is a file, not a folder, a .zip, .parquet, .csv, .tsv or .jsonl "
            f"file; expected {layout}"
        )
    return made, f"{path.name}, unpacked into {made}"


def short_of(folder: Path, archive: Path | None, lines: Iterable[str]) -> list[str]:
    """Lines that name the archive in place of the long path of what was unpacked of it."""
    name = folder.name if archive is None else archive.name
    return [line.replace(str(folder), name) for line in lines]


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size}\0{stat.st_mtime_ns}"


def _once(cache: Path, key: str, name: str, make: Callable[[Path], None]) -> Path:
    """The folder that ``make`` filled, now or earlier; it appears whole or not at all."""
    digest = hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=16).hexdigest()
    folder = cache / UNPACKED / digest
    inner = re.sub(r"[^\w.-]+", "-", name).strip(".") or "images"
    if not folder.is_dir():
        make_cache(cache)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with lock(folder.with_suffix(".lock")):
            if not folder.is_dir():
                with whole(folder) as partial:
                    (partial / inner).mkdir(parents=True)
                    make(partial / inner)
    return folder / inner
