"""Tables of image paths and labels: CSV, TSV and JSON-lines files."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contragan.core.errors import UserError
from contragan.core.files import read_text
from contragan.data.formats import is_image_name

FILE_COLUMNS = (
    *("file_name", "filename", "file", "path", "filepath", "file_path"),
    *("image", "image_path", "image_file", "img", "img_path", "name"),
)
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "category", "target", "species", "y")
SPLIT_COLUMNS = ("split", "set", "subset", "partition")

_DECIMAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(\.\d*)?[eE][+-]?\d+|nan|inf)", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Row:
    """An image's path as it is written, its label, its split (empty where none), and its line."""

    line: int
    file: str
    label: str
    split: str


@dataclass(frozen=True)
class Table:
    """The rows of a list; ``label`` None where it has no column of labels."""

    path: Path
    columns: tuple[str, ...]
    file: str
    label: str | None
    rows: tuple[Row, ...]


def read_table(path: Path) -> Table:
    """A list of images and labels.

    Raises:
        UserError: it is not UTF-8 or empty, has no column of paths, or a row lacks its file or its
            label, or the labels are decimal numbers.
    """
    text = read_text(path).removeprefix("\ufeff")
    records = _json_lines(path, text) if path.suffix == ".jsonl" else _separated(path, text)
    if not records:
        raise UserError(f"{path} is empty: expected lines of path and label")
    columns = tuple(dict.fromkeys(name for _, record in records for name in record))
    file, label, split = (
        _column(columns, names) for names in (FILE_COLUMNS, LABEL_COLUMNS, SPLIT_COLUMNS)
    )
    if file is None:
        raise UserError(
            f"{path} has the columns {', '.join(columns)[:200]}, none of them of paths: call it "
            "file"
        )
    if label is None and len(columns) == 2:
        label = next(name for name in columns if name != file)
        if label.lower() in {"text", "caption", *SPLIT_COLUMNS}:
            label = None
    if label is None:
        return Table(path, columns, file, None, ())
    rows = []
    for line, record in records:
        name = _cell(path, line, file, record.get(file))
        value = _cell(path, line, label, record.get(label), name)
        given = record.get(split) if split is not None else None
        rows.append(Row(line, name, value, "" if given is None else str(given).strip()))
    _refuse_decimals(path, rows, label)
    return Table(path, columns, file, label, tuple(rows))


def _column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _cell(path: Path, line: int, column: str, value: Any, of: str | None = None) -> str:
    """A cell as text; UserError where it is empty, or of JSON but neither text nor a number."""
    whose = "" if of is None else f" of {of}"
    if isinstance(value, float | list | dict):
        shown = json.dumps(value)[:40]
        raise UserError(
            f"{path}, line {line}: the {column}{whose} is {shown}: write text or a whole number"
        )
    text = "" if value is None else str(value).strip()
    if not text:
        raise UserError(f"{path}, line {line}: the {column}{whose} is missing")
    return text


def _refuse_decimals(path: Path, rows: Sequence[Row], label: str) -> None:
    """Decimal numbers are a measured quantity, or an index that a program made a decimal of."""
    first = next((row for row in rows if _DECIMAL.fullmatch(row.label)), None)
    numbers = all(_DECIMAL.fullmatch(row.label) or _WHOLE.fullmatch(row.label) for row in rows)
    if first is not None and numbers:
        raise UserError(
            f"{path}, line {first.line}: the column {label} holds decimal numbers, such as "
            f"{first.label}, and no classes: write names or whole numbers"
        )


def _json_lines(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    records = []
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            record = json.loads(content)
        except ValueError as error:
            raise UserError(f"{path}, line {line} is not JSON: {error}") from error
        if not isinstance(record, dict):
            raise UserError(f"{path}, line {line}: expected an object with file and label")
        records.append((line, record))
    return records


def _separated(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    head = text.partition("\n")[0]
    mark = "\t" if path.suffix == ".tsv" else max(",;\t", key=head.count)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=mark, strict=True)
    records: list[tuple[int, dict[str, Any]]] = []
    columns: list[str] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                if not is_image_name(cells[0].strip()):
                    columns = [cell.strip() for cell in cells]
                    continue
                columns = ["file", "label", "split"][: len(cells)]  # a table without a head
            if len(cells) > len(columns):
                raise UserError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells under {len(columns)} "
                    f"columns ({', '.join(columns)[:100]})"
                )
            records.append((reader.line_num, dict(zip(columns, cells, strict=False))))
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num} cannot be read: {error}") from error
    return records
