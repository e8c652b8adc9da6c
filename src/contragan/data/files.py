"""Files on disk: folders of images, walked the same way for training and for evaluation."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

from contragan.core.errors import UserError
from contragan.data.formats import LeftOut, is_image_name

_IGNORED_FOLDERS = (".", "__MACOSX")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file below some root, with the size and time that say whether it changed."""

    path: str
    size: int
    mtime_ns: int


def natural_order(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """A sorting key that counts: 2 before 10, and a2 before a10."""
    parts = re.split(r"(\d+)", name)
    return [(not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in parts if p], name


def subfolders(folder: Path) -> list[str]:
    """Names of the visible folders in ``folder``, numbers counting; none where it does not exist.

    Raises:
        UserError: a name that is not UTF-8, which no file of a run could hold.
    """
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if not e.name.startswith(_IGNORED_FOLDERS) and e.is_dir()]
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise UserError(
                f"the name of the folder {os.fsencode(name)!r} in {folder} is not UTF-8: rename it"
            ) from error
    return sorted(names, key=natural_order)


def images_in(folder: Path, left_out: LeftOut | None = None, deep: bool = True) -> list[ImageFile]:
    """All image files in ``folder`` and, if ``deep``, the folders in it, sorted by path.

    Other files are counted in ``left_out``.

    Raises:
        UserError: a link to a folder that it lies in.
    """
    found = _walk(str(folder), (), LeftOut() if left_out is None else left_out, deep)
    return sorted(found, key=lambda file: file.path)


def _walk(
    folder: str, above: tuple[os.stat_result, ...], left_out: LeftOut, deep: bool
) -> Iterator[ImageFile]:
    here = os.stat(folder)
    if any(os.path.samestat(here, other) for other in above):
        raise UserError(f"{folder} is a link to a folder that it lies in: remove it")
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                stat = entry.stat()
            except OSError:  # a link to nothing or to itself: unreadable, as a damaged image is
                if is_image_name(entry.name) and not entry.name.startswith("."):
                    yield ImageFile(entry.path, 0, 0)
                continue
            if S_ISDIR(stat.st_mode):
                if deep and not entry.name.startswith(_IGNORED_FOLDERS):
                    yield from _walk(entry.path, (*above, here), left_out, deep)
            elif is_image_name(entry.name) and not entry.name.startswith("."):
                yield ImageFile(entry.path, stat.st_size, stat.st_mtime_ns)
            else:
                left_out.file(entry.name)


def has_images(folder: Path) -> bool:
    """Whether there is an image directly in ``folder``."""
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return any(
            is_image_name(e.name) and not e.name.startswith(".") and e.is_file() for e in entries
        )


def is_run_folder(folder: Path) -> bool:
    """Whether a folder is what ``contragan train`` wrote, and not a data set."""
    return (folder / "recipe.yaml").is_file() and (folder / "dataset.json").is_file()


def require_folder(root: Path | None, layout: str) -> Path:
    """``root`` as an absolute path.

    Raises:
        UserError: no root given, it does not exist, it is a file or a run, or it is empty.
    """
    if root is None:
        raise UserError(f"this data set needs --data PATH; expected {layout}")
    if not root.exists():
        raise UserError(
            f"data folder {root} does not exist: say where it is with --data PATH; "
            f"expected {layout}"
        )
    if not root.is_dir():
        raise UserError(f"data path {root} is a file, not a folder; expected {layout}")
    if not any(not name.startswith(".") for name in os.listdir(root)):
        raise UserError(f"data folder {root} is empty; expected {layout}")
    if is_run_folder(root):
        raise UserError(f"{root} is a run and not a data set; expected {layout}")
    return root.resolve()
