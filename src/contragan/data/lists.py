"""Labels in a list beside the images: a table, JSON lines, or StyleGAN's ``dataset.json``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contragan.core.errors import UserError
from contragan.data.files import (
    ImageFile,
    images_in,
    is_run_folder,
    natural_order,
    subfolders,
)
from contragan.data.formats import LeftOut, is_image_name
from contragan.data.layout import (
    NO_CLASS,
    TEST_WORDS,
    TRAIN_WORDS,
    split_folders,
    split_word,
)
from contragan.data.tables import Row, Table, read_table

LIST_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl"})

LIST_NAMES = tuple(
    f"{name}{suffix}" for name in ("metadata", "labels") for suffix in (".csv", ".tsv", ".jsonl")
)
"""Lists that are looked for in a folder; ``metadata`` is Hugging Face's name."""

ABOUT = "about.txt"
"""Beside a list that was made here: what it was made of, in words."""

Classes = dict[str, list[ImageFile]]


@dataclass(frozen=True)
class Listed:
    """Images by class, as a list has them; ``test`` is None where it names no test images.

    ``layout`` says in words which list it is; ``notes`` what was left out; ``unread`` counts the
    files by suffix that are not read.
    """

    root: Path
    layout: str
    train: Classes
    test: Classes | None = None
    notes: tuple[str, ...] = ()
    unread: Mapping[str, int] = field(default_factory=dict)


def find_list(path: Path, *, confined: bool = False) -> Listed | None:
    """The images of a list, or of a folder with one; None for a folder without.

    A list is a CSV, TSV or JSON-lines file with a column of paths and one of labels, perhaps one of
    splits; in a folder it is called ``labels`` or ``metadata``. Or it is StyleGAN's
    ``dataset.json``, ``{"labels": [["00000/img00000000.png", 6], ...]}``, with null for images
    without labels. ``confined``, as what comes from an archive is, refuses paths that lead out of
    the list's folder.

    Raises:
        UserError: a list that cannot be read, or that does not fit the images.
    """
    if path.is_file():
        table = read_table(path)
        if table.label is None:
            raise UserError(
                f"{path} has the columns {', '.join(table.columns)}, none of them of classes: call "
                "it label"
            )
        return _listed(path.parent, table, path.name, confined)
    if is_run_folder(path):
        return None
    stylegan = _stylegan(path)
    if stylegan is not None:
        return stylegan
    train = split_folders(path, TRAIN_WORDS)
    of_split = _table_in(train[0]) if train else None
    if of_split is not None:
        return _by_folder(path, train[0], of_split, confined)
    own = _table_in(path)
    if own is None or _is_of_other_files(path, own):
        return None
    return _listed(path, own, own.path.name, confined)


def unused_list(path: Path) -> str | None:
    """A line on a list in a folder that is not used, so that the folders are the classes."""
    for name in LIST_NAMES:
        if path.is_dir() and (path / name).is_file():
            table = _table_in(path)
            if table is None:
                return f"{path / name} has no column of labels and is not used"
            if _is_of_other_files(path, table):
                return f"{table.path} lists files that are not there and is not used"
    return None


def _is_of_other_files(folder: Path, table: Table) -> bool:
    """Whether a list beside class folders names none of their images."""
    if len(subfolders(folder)) < 2:
        return False
    return not any((folder / row.file).exists() for row in table.rows)


def _table_in(folder: Path) -> Table | None:
    """The list in a folder, None where there is none with labels."""
    for name in LIST_NAMES:
        if (folder / name).is_file():
            try:
                table = read_table(folder / name)
            except UserError as error:
                if len(subfolders(folder)) < 2:
                    raise
                raise UserError(
                    f"{error}; or move the list away, and the folders are the classes"
                ) from error
            if table.label is not None:
                return table
    return None


def _listed(root: Path, table: Table, name: str, confined: bool) -> Listed:
    rows = [(row, _split(row)) for row in table.rows]
    if any(split is None for _, split in rows):
        # Folders called train and test say it too, where all paths begin with one.
        words = [split_word(Path(row.file).parts[0]) for row in table.rows]
        named = all(words) and not any(row.split for row in table.rows)
        if not named and any(row.split for row in table.rows):
            bad = next(row for row, split in rows if split is None)
            raise UserError(
                f"{table.path}, line {bad.line}: the split '{bad.split}' is not train, val or test"
            )
        rows = [
            (row, word if named else "train") for row, word in zip(table.rows, words, strict=True)
        ]
    left_out = LeftOut()
    known = _existing(root, table, left_out, confined)
    splits = {split for _, split in rows}
    chosen = next((word for word in TEST_WORDS if word in splits), None)
    train = _classes(known, [row for row, split in rows if split in TRAIN_WORDS])
    test = _classes(known, [row for row, split in rows if chosen is not None and split == chosen])
    if not train:
        raise UserError(f"{table.path} lists no training images")
    about = root / ABOUT
    layout = f"labels from {name}, columns {table.file} and {table.label}"
    if about.is_file():
        layout = about.read_text(encoding="utf-8").strip()
    if chosen is not None:
        layout += f", with test images of the split {chosen}"
    unused = sorted(word for word in splits if word not in {*TRAIN_WORDS, chosen} and word)
    notes = [f"{table.path}: images of the split {word} are left out" for word in unused]
    notes += _beside(root, known, left_out)
    in_order = {key: train[key] for key in sorted(train, key=natural_order)}
    return Listed(
        root, layout, in_order, test if chosen else None, tuple(notes), dict(left_out.unread)
    )


def _by_folder(root: Path, train: Path, table: Table, confined: bool) -> Listed:
    """Hugging Face's ``imagefolder`` with a list in each split's folder."""
    first = _listed(train, table, f"{train.name}/{table.path.name}", confined)
    for folder in split_folders(root, TEST_WORDS):
        if (other := _table_in(folder)) is not None:
            second = _listed(folder, other, other.path.name, confined)
            layout = f"{first.layout}, with test images in {folder.name}"
            notes = tuple(dict.fromkeys((*first.notes, *second.notes)))
            return Listed(root, layout, first.train, second.train, notes, first.unread)
    return first


def _split(row: Row) -> str | None:
    return split_word(row.split) if row.split else None


def _existing(
    root: Path, table: Table, left_out: LeftOut, confined: bool
) -> dict[str, ImageFile | None]:
    """The file of each listed path, None for formats that are not read.

    Raises:
        UserError: a file that is not there or leads out of the folder, or is listed twice.
    """
    found: dict[str, ImageFile | None] = {}
    missing: list[Row] = []
    line_of: dict[str, int] = {}
    for row in table.rows:
        path = os.path.normpath(os.path.join(root, row.file))
        if confined and not path.startswith(f"{root}{os.sep}"):
            raise UserError(
                f"{table.path}, line {row.line}: {row.file} leads out of the archive: refused"
            )
        if path in line_of:
            raise UserError(
                f"{table.path}, line {row.line}: {row.file} is listed on line {line_of[path]} "
                "already"
            )
        line_of[path] = row.line
        try:
            stat = os.stat(path)
        except (OSError, ValueError):
            missing.append(row)
            continue
        if not is_image_name(path):
            left_out.file(os.path.basename(path))
            found[row.file] = None
        else:
            found[row.file] = ImageFile(path, stat.st_size, stat.st_mtime_ns)
    if missing:
        more = f" (and {len(missing) - 1:,} more lines)" if len(missing) > 1 else ""
        raise UserError(
            f"{table.path}, line {missing[0].line}: there is no file {missing[0].file} in "
            f"{root}{more}: paths are taken from the list's folder"
        )
    return found


def _classes(known: Mapping[str, ImageFile | None], rows: Sequence[Row]) -> Classes:
    classes: Classes = {}
    for row in rows:
        if (file := known[row.file]) is not None:
            classes.setdefault(row.label, []).append(file)
    return classes


def _beside(root: Path, known: Mapping[str, ImageFile | None], left_out: LeftOut) -> list[str]:
    """Lines on images that lie beside the listed ones, and on files that are not read."""
    listed = {file.path for file in known.values() if file is not None}
    unlisted = 0
    for folder in {os.path.dirname(path) for path in listed}:
        unlisted += sum(
            os.path.normpath(file.path) not in listed
            for file in images_in(Path(folder), deep=False)
        )
    notes = []
    if unlisted:
        are = "image is" if unlisted == 1 else "images are"
        notes.append(f"{unlisted:,} {are} not in the list and left out")
    if (line := left_out.line(root)) is not None:
        notes.append(line)
    return notes


def _stylegan(root: Path) -> Listed | None:
    """A folder in StyleGAN's layout, None where it is not one."""
    path = root / "dataset.json"
    if not path.is_file():
        return None
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): mend it or move it away") from error
    if not isinstance(content, dict) or "labels" not in content:
        return None
    left_out = LeftOut()
    found = {
        Path(file.path).relative_to(root).as_posix(): file for file in images_in(root, left_out)
    }
    left_out.unread.pop(".json", None)
    layout = "StyleGAN's dataset.json"
    if not content["labels"]:
        if not found:
            raise UserError(f"no images in {root}, beside dataset.json")
        return Listed(root, f"{layout}, without labels", {NO_CLASS: list(found.values())})
    classes: Classes = {}
    for name, label in _pairs(path, content["labels"]):
        if name not in found:
            raise UserError(
                f"{path} lists {name}, which is not there once, or not an image this machine reads"
            )
        classes.setdefault(str(label), []).append(found.pop(name))
    if found:
        raise UserError(f"{path} has no label for {len(found)} images, such as {next(iter(found))}")
    in_order = {name: classes[name] for name in sorted(classes, key=natural_order)}
    return Listed(root, layout, in_order, unread=dict(left_out.unread))


def _pairs(path: Path, labels: Any) -> list[tuple[str, int]]:
    """The pairs of a file and a whole number that ``dataset.json`` lists."""
    expected = f"{path}: expected labels as [[file, number], ...]"
    if not isinstance(labels, list):
        raise UserError(f"{expected}, found {type(labels).__name__}")
    for pair in labels:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise UserError(f"{expected}, found {json.dumps(pair)[:60]}")
        if not isinstance(pair[1], int) or isinstance(pair[1], bool):
            raise UserError(
                f"{path}: the label of {pair[0]} is {json.dumps(pair[1])[:40]}, not a whole "
                "number; for other labels, use class folders or a CSV file of path and label"
            )
    return [(name, label) for name, label in labels]
