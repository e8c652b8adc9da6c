"""Writing generated images: a labelled grid, a folder of files, or arrays."""

from __future__ import annotations

import math
import os
import re
import shutil
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from rich.console import Console
from torch import Tensor

from contragan.core.console import note, progress_bar
from contragan.core.errors import UserError
from contragan.core.files import whole
from contragan.core.fonts import illegible
from contragan.core.pictures import FORMATS, draw_grid, to_pil
from contragan.core.words import readable, shortened
from contragan.runs.between import (
    ROWS,
    STEPS,
    Between,
    check_between,
    paths_between,
    rows_of,
)
from contragan.runs.model import Model

MOST_IN_GRID = 4096

SMALLEST_FILE = 4096
"""Bytes that a file takes on a usual disk, however small the image in it."""

REFUSED = r'[<>:"/\\|?*\x00-\x1f]' if os.name == "nt" else r"[/\x00]"
"""What a folder's name cannot have on this system."""

ONE_CASE = sys.platform in {"win32", "darwin"}
"""Whether this system takes ``A`` and ``a`` for one name."""


def export_samples(
    model: Model,
    out: Path,
    *,
    classes: Sequence[str] | None,
    num: int | None,
    seed: int,
    truncation: float | None,
    console: Console,
    columns: int | None = None,
    scale: int | None = None,
    between: Between | None = None,
) -> str:
    """Generate images and write them to ``out``; returns the line that says what was written.

    A picture's name (``FORMATS``) makes a grid with a row for each class, ``columns`` images wide
    and each enlarged by ``scale``: it has equally many images of every class, if need be more than
    ``num``, and says so. ``FILE.npz`` holds ``images`` (N, H, W, C) uint8, ``labels`` (N,) and
    ``class_names`` (K,), anything else is a folder of one PNG per image. ``between`` makes a grid
    of paths (:func:`~contragan.runs.between.paths_between`), ``columns`` images long.

    Raises:
        UserError: a class that does not exist, an output that is there already, a full disk.
    """
    chosen, remarks = model.resolve(classes)
    for line in remarks:
        note(console, f"note: {line}")
    is_grid = out.suffix.lower() in FORMATS
    for_grids = {"--columns": columns, "--scale": scale, "--between": between}
    if not is_grid and any(for_grids.values()):
        option = next(name for name, value in for_grids.items() if value)
        raise UserError(f"{option} is for a grid: leave it out, or write --out samples.png")
    if is_grid:
        chosen = list(dict.fromkeys(chosen))
    if between is not None:
        check_between(model, between, chosen)
    count, remark = _count(num, chosen, columns, between)
    if num is not None and not is_grid:
        count, remark = num, None
    if remark is not None:
        note(console, f"note: {remark}")
    _check_room(model, count, out)
    said = f"{count} images of iteration {model.iteration} written to {out}"
    if is_grid:
        for line in illegible(model.row_names[label] for label in chosen):
            note(console, f"note: {line}")
    if between is not None:
        steps = columns or STEPS
        rows = count // steps // rows_of(between, chosen)
        paths_between(
            model,
            between,
            chosen,
            rows=rows,
            steps=steps,
            seed=seed,
            truncation=truncation,
        ).draw(scale).save(out)
        return said
    labels = model.labels(chosen, count)
    batches = _shown(model.batches(labels, seed=seed, truncation=truncation), len(labels), console)
    if out.suffix == ".npz":
        _write_npz(model, labels, batches, out)
    elif is_grid:
        images = torch.cat(list(batches))
        draw_grid(images, labels, model.row_names, columns=columns, scale=scale).save(out)
    else:
        _write_folder(model, labels, batches, out, console)
    return said


def _count(
    num: int | None, chosen: Sequence[int], columns: int | None, between: Between | None
) -> tuple[int, str | None]:
    """How many images a grid has, and what to say where ``num`` does not fill its rows."""
    if num is not None and num < 1:
        raise UserError(f"the number of images must be at least 1, not {num}")
    if between is None:
        unit = len(chosen)
        usual = max(1, min(columns or 10, MOST_IN_GRID // unit)) * unit
    else:
        unit = (columns or STEPS) * rows_of(between, chosen)
        usual = unit * (ROWS if between == "classes" else 1)
    if num is None or num % unit == 0:
        return num or usual, None
    times = num // unit + 1
    has = f"{times} of each of {unit} classes" if between is None else "whole paths"
    return times * unit, f"{times * unit} images in place of {num}, so that the grid has {has}"


def _check_room(model: Model, count: int, out: Path) -> None:
    """Refuse before the first image what could not be written after the last."""
    if out.suffix.lower() not in {".npz", "", *FORMATS}:
        raise UserError(
            f"--out {out}: write {', '.join(FORMATS)} for a grid, .npz for arrays, or a folder's "
            "name"
        )
    if out.suffix.lower() in FORMATS:
        if count > MOST_IN_GRID:
            raise UserError(
                f"{count} images are too many for one grid (at most {MOST_IN_GRID}): "
                "give a folder or a .npz file as --out"
            )
        return
    if not out.suffix and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out {out} is there already and not empty: give another")
    place = next(folder for folder in out.resolve().parents if folder.is_dir())
    need = count * (model.image_bytes if out.suffix == ".npz" else SMALLEST_FILE)
    free = shutil.disk_usage(place).free
    if need > free:
        raise UserError(
            f"{count} images take at least {readable(need)}, but {place} has "
            f"{readable(free)} free: ask for fewer, or give another --out"
        )


def _shown(batches: Iterator[Tensor], total: int, console: Console) -> Iterator[Tensor]:
    done = 0
    with progress_bar(console) as progress:
        for batch in batches:
            yield batch
            done += len(batch)
            progress("generating", done, total)


def folder_names(names: Sequence[str]) -> list[str]:
    """The folders of classes: names without what this system's folders cannot have, all different.

    >>> folder_names(["cat", "fox/red", "fox_red"])
    ['cat', 'fox_red-1', 'fox_red-2']
    """
    able = [re.sub(REFUSED, "_", name) for name in names]
    able = [name.replace(".", "_") if name.strip(". ") == "" else name for name in able]
    keys = [name.casefold() if ONE_CASE else name for name in able]
    counts = Counter(keys)
    return [
        name if counts[key] == 1 else f"{name}-{label}"
        for label, (key, name) in enumerate(zip(keys, able, strict=True))
    ]


def _say_renamed(renamed: Sequence[tuple[str, str]], console: Console) -> None:
    pairs = [f"{name} in {folder}" for name, folder in renamed if name != folder]
    if pairs:
        note(console, f"note: folders cannot have the names of these classes: {shortened(pairs)}")


def _write_folder(
    model: Model, labels: Int[Tensor, " N"], batches: Iterator[Tensor], out: Path, console: Console
) -> None:
    digits = max(6, math.ceil(math.log10(len(labels) + 1)))
    names = folder_names(model.class_names)
    drawn = torch.unique(labels).tolist()
    _say_renamed([(model.class_names[label], names[label]) for label in drawn], console)
    with whole(out) as temporary:
        folders = {label: temporary / names[label] for label in drawn}
        for folder in folders.values():
            folder.mkdir(parents=True)
        index = 0
        for batch in batches:
            for image in batch:
                path = folders[int(labels[index])] / f"{index:0{digits}d}.png"
                to_pil(image).save(path)
                index += 1


def _write_npz(
    model: Model, labels: Int[Tensor, " N"], batches: Iterator[Tensor], out: Path
) -> None:
    """Stream the arrays into an uncompressed npz, so that memory holds one batch."""
    first = next(batches).permute(0, 2, 3, 1)
    header = {
        "descr": "|u1",
        "fortran_order": False,
        "shape": (len(labels), *first.shape[1:]),
    }
    with whole(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        with archive.open("images.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(first.numpy()).tobytes())
            for batch in batches:
                file.write(np.ascontiguousarray(batch.permute(0, 2, 3, 1).numpy()).tobytes())
        _add(archive, "labels", labels.numpy())
        _add(archive, "class_names", np.array(model.class_names))


def _add(archive: zipfile.ZipFile, name: str, array: np.ndarray[Any, Any]) -> None:
    with archive.open(f"{name}.npy", "w") as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
