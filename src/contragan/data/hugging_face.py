"""Images in Parquet files, and data sets of the Hugging Face hub, written out as files."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from contragan.core.errors import UserError
from contragan.core.words import shortened
from contragan.data.formats import open_image
from contragan.data.layout import TEST_WORDS, TRAIN_WORDS, split_folders, split_word
from contragan.data.lists import ABOUT
from contragan.data.tables import LABEL_COLUMNS

_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "GIF": ".gif", "WEBP": ".webp"}
_SUFFIXES |= {"TIFF": ".tif", "BMP": ".bmp"}

Example = tuple[bytes, str]
"""An image file's content, and its label."""

Progress = Callable[[int, int], None]


def parquet_files(folder: Path) -> list[tuple[str, Path]]:
    """The Parquet files of a folder with their splits, in the hub's layouts.

    They lie in it, in ``data`` or in a folder for each split; their names say the split where the
    folder does not (``train-00000-of-00002.parquet``).
    """
    splits = split_folders(folder, (*TRAIN_WORDS, *TEST_WORDS))
    found = []
    for place in (folder, folder / "data", *splits):
        for path in sorted(place.glob("*.parquet")):
            word = split_word(path.stem.partition("-")[0]) or split_word(place.name)
            found.append((word or "train", path))
    return found


def export_parquet(
    files: Sequence[tuple[str, Path]], folder: Path, progress: Progress | None
) -> None:
    """Write the images of Parquet files, each with its split, into a folder, with a list.

    Raises:
        UserError: pyarrow is missing, a file is damaged, or there is no column of images.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UserError("Parquet files need the package pyarrow: pip install pyarrow") from error
    try:
        opened = [(split, path, parquet.ParquetFile(path)) for split, path in files]
        total = sum(file.metadata.num_rows for _, _, file in opened)
        first = opened[0][2].schema_arrow
        image, label, names = _columns(first, opened[0][1])
        by_split: dict[str, list[Iterator[Example]]] = {}
        for split, path, file in opened:
            by_split.setdefault(split, []).append(_rows(file, path, image, label, names))
        merged = {split: chain.from_iterable(parts) for split, parts in by_split.items()}
        about = f"Parquet files, columns {image}" + (f" and {label}" if label else "")
        _write(folder, merged, total, about, progress)
    except pyarrow.ArrowException as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{files[0][1]} cannot be read as a Parquet file: {reason}") from error


def export_hub(name: str, folder: Path, progress: Progress | None) -> None:
    """Write the images of a data set of the hub, or of a folder that ``datasets`` reads.

    Raises:
        UserError: the package ``datasets`` is missing, the hub cannot be reached, or there is no
            column of images.
    """
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            f"hf:{name} needs the package datasets: pip install 'contragan[datasets]'"
        ) from error
    try:
        found = datasets.load_dataset(name)
    except Exception as error:  # the hub fails in many ways
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"hf:{name} cannot be loaded: {reason}") from error
    features = next(iter(found.values())).features
    images = [key for key, one in features.items() if isinstance(one, datasets.Image)]
    labels = [key for key, one in features.items() if isinstance(one, datasets.ClassLabel)]
    if not images:
        raise UserError(f"hf:{name} has no column of images: {', '.join(features)}")
    label = labels[0] if labels else None
    names = None if label is None else features[label].names
    splits: dict[str, Iterable[Example]] = {}
    for key, split in found.items():
        undecoded = split.cast_column(images[0], datasets.Image(decode=False))
        splits[str(key)] = (
            _example(row[images[0]], None if label is None else row[label], names, f"hf:{name}")
            for row in undecoded
        )
    total = sum(len(split) for split in found.values())
    more = f" (not {', '.join(labels[1:])})" if labels[1:] else ""
    about = f"hf:{name}, columns {images[0]}" + (f" and {label}{more}" if label else "")
    _write(folder, splits, total, about, progress)


def _columns(schema: Any, path: Path) -> tuple[str, str | None, list[str] | None]:
    """The columns of images and of labels, and the labels' names."""
    content = (schema.metadata or {}).get(b"huggingface")
    features = json.loads(content)["info"]["features"] if content else {}
    kinds = {name: one.get("_type") for name, one in features.items() if isinstance(one, dict)}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    images += [field.name for field in schema if _holds_files(field.type)]
    if not images:
        raise UserError(f"{path} has no column of images: {', '.join(schema.names)}")
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    labels += [name for name in LABEL_COLUMNS if name in schema.names]
    if not labels:
        return images[0], None, None
    return images[0], labels[0], features.get(labels[0], {}).get("names")


def _holds_files(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return any(kind.field(k).name == "bytes" for k in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _rows(
    file: Any, path: Path, image: str, label: str | None, names: list[str] | None
) -> Iterator[Example]:
    columns = [image] if label is None else [image, label]
    for batch in file.iter_batches(256, columns=columns):
        for row in batch.to_pylist():
            yield _example(row[image], None if label is None else row[label], names, str(path))


def _example(cell: Any, label: Any, names: list[str] | None, where: str) -> Example:
    content = cell.get("bytes") if isinstance(cell, Mapping) else cell
    if content is None and isinstance(cell, Mapping) and cell.get("path"):
        content = Path(cell["path"]).read_bytes()
    if names is not None and isinstance(label, int) and 0 <= label < len(names):
        label = names[label]
    if isinstance(label, float):
        raise UserError(f"{where}: the labels are decimal numbers, such as {label}, and no classes")
    return content or b"", "" if label is None or label == -1 else str(label)


def _write(
    folder: Path,
    splits: Mapping[str, Iterable[Example]],
    total: int,
    about: str,
    progress: Progress | None,
) -> None:
    """Write each image as a file, and the list ``labels.jsonl`` where there are labels."""
    if len(splits) == 1:
        splits = {"train": next(iter(splits.values()))}
    rows: dict[str, list[tuple[str, str]]] = {}
    done = 0
    for split, examples in splits.items():
        if split_word(split) is None:
            continue
        (folder / split).mkdir()
        rows[split] = []
        for number, (content, label) in enumerate(examples):
            name = f"{split}/{number:07d}{_suffix(content)}"
            (folder / name).write_bytes(content)
            rows[split].append((name, label))
            done += 1
            if progress is not None:
                progress(done, total)
    if not done:
        raise UserError(f"{about}: no images of a split train or test")
    labelled = [split for split, found in rows.items() if any(label for _, label in found)]
    out = [split for split in splits if split not in labelled]
    if not labelled:  # images without classes, in folders for the splits
        return
    lines: list[str] = []
    for split in labelled:
        for name, label in rows[split]:
            if not label:
                raise UserError(f"{about}: image {len(lines) + 1:,} of {split} has no label")
            lines.append(json.dumps({"file": name, "label": label, "split": split}))
    about += f", without the split {shortened(out)}" if out else ""
    (folder / "labels.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / ABOUT).write_text(about + "\n", encoding="utf-8")


def _suffix(content: bytes) -> str:
    try:
        with open_image(io.BytesIO(content), "") as image:
            return _SUFFIXES.get(image.format or "", ".png")
    except Exception:  # whoever decodes the file says what is wrong with it
        return ".png"
