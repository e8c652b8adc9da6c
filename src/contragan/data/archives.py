"""Zip files of images, unpacked with care."""

from __future__ import annotations

import os
import re
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from contragan.core.errors import UserError
from contragan.core.words import readable

_DRIVE = re.compile(r"[A-Za-z]:/")
_UTF8 = 0x800
_ENCRYPTED = 0x1
_OUT_OF_PLACE = ("__MACOSX",)


def unpack_zip(path: Path, folder: Path, progress: Callable[[int, int], None] | None) -> None:
    """Unpack a zip file into an empty folder; hidden files are left out.

    Raises:
        UserError: it is damaged or encrypted, holds links, a path that leads out of it or one path
            twice, or is larger than the disk's free space.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked(path, archive)
            size = sum(info.file_size for _, info in members)
            free = shutil.disk_usage(folder).free
            if size > free:
                raise UserError(
                    f"{path} unpacks to {readable(size)}, but {readable(free)} are free in "
                    f"{folder.parents[2]}: set CONTRAGAN_CACHE to a folder on another disk"
                )
            for done, (name, info) in enumerate(members, 1):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as source, target.open("xb") as file:
                    shutil.copyfileobj(source, file, 2**20)
                # Whoever unpacks again finds the decoded images again.
                os.utime(target, (path.stat().st_mtime, path.stat().st_mtime))
                if progress is not None:
                    progress(done, len(members))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{path} cannot be unpacked: {' '.join(str(error).split())}") from error
    except FileExistsError as error:
        raise UserError(
            f"{path} holds two files that have one path here: {error.filename}"
        ) from error


def _checked(path: Path, archive: zipfile.ZipFile) -> list[tuple[str, zipfile.ZipInfo]]:
    """The files to unpack with the paths they get."""
    members = []
    for info in archive.infolist():
        name = member_name(info)
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or _DRIVE.match(name):
            raise UserError(
                f"{path} holds the path {name}, which leads out of it: not unpacked. Make the zip "
                "anew, of one folder"
            )
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UserError(
                f"{path} holds a link, {name}: not unpacked. Make the zip anew, of the files "
                "themselves"
            )
        if info.flag_bits & _ENCRYPTED:
            raise UserError(f"{path} is encrypted: unpack it, and give the folder")
        hidden = any(part.startswith((".", *_OUT_OF_PLACE)) for part in parts)
        if not info.is_dir() and not hidden:
            members.append((name, info))
    if not members:
        raise UserError(f"{path} holds no files")
    return members


def member_name(info: zipfile.ZipInfo) -> str:
    """A member's path; macOS writes UTF-8 and does not say so."""
    name = info.filename.replace("\\", "/")
    if not info.flag_bits & _UTF8:
        try:
            return name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return name
