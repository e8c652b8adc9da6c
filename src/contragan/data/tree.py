"""Data sets that are folders of class folders: anybody's own, and ImageNet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from contragan.data.base import DatasetConfig, Source, Split
from contragan.data.classes import readable_names, select_classes
from contragan.data.files import FileSource, ImageFile, images_in, require_folder, subfolders
from contragan.errors import UserError

TRAIN_FOLDERS = ("train",)
TEST_FOLDERS = ("test", "val", "valid", "validation")
SPLIT_NAMES = {*TRAIN_FOLDERS, *TEST_FOLDERS, "training", "testing"}
LAYOUT = "PATH/train/<class>/*.jpg with PATH/test/<class>/*.jpg, or PATH/<class>/*.jpg"
IMAGENET_LAYOUT = "PATH/train/<wnid>/*.JPEG and PATH/val/<wnid>/*.JPEG"

Namer = Callable[[Sequence[str]], Sequence[str]]


class FolderConfig(DatasetConfig):
    """A user's own folder of class folders.

    Either ``PATH/train/<class>/`` with ``PATH/test/<class>/`` (or val, valid, validation; in
    capitals or not), or ``PATH/<class>/``, of which ``test_fraction`` of each class is held out as
    the test split.
    """

    enlarges: ClassVar[bool] = False

    kind: Literal["folder"]
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1

    def source(self, split: Split, root: Path | None, downloads: Path) -> Source:
        path = require_folder(root, LAYOUT)
        return tree_source(path, split, self.classes, test_fraction=self.test_fraction)


class ImageNetConfig(DatasetConfig):
    """ImageNet as it is distributed, with the validation images in class folders too.

    Class names are read from ``words.txt`` or ``LOC_synset_mapping.txt`` where one is there. Its
    few images below the resolution are enlarged.
    """

    kind: Literal["imagenet"]

    def source(self, split: Split, root: Path | None, downloads: Path) -> Source:
        path = require_folder(root, IMAGENET_LAYOUT)
        if not (path / "train").is_dir() or not subfolders(path / "val"):
            raise UserError(f"{path} does not hold ImageNet; expected {IMAGENET_LAYOUT}")

        def names(wnids: Sequence[str]) -> list[str]:
            return readable_names(wnids, path / "words.txt", path / "LOC_synset_mapping.txt")

        return tree_source(path, split, self.classes, test_folders=("val",), names=names)


def is_split_tree(root: Path) -> bool:
    """Whether ``root`` holds ``train/<class>/`` folders, rather than class folders."""
    train = _named(root, TRAIN_FOLDERS)
    others = {name.lower() for name in subfolders(root)} - {*TRAIN_FOLDERS, *TEST_FOLDERS}
    return bool(train) and bool(subfolders(train[0]) or not others)


def _named(root: Path, names: Sequence[str]) -> list[Path]:
    """The folders in ``root`` with these names, in capitals or not, in the names' order."""
    found = [folder for folder in subfolders(root) if folder.lower() in names]
    found.sort(key=lambda folder: (names.index(folder.lower()), folder not in names))
    return [root / folder for folder in found]


def tree_source(
    root: Path,
    split: Split,
    wanted: Sequence[str] | None,
    *,
    test_fraction: float = 0.1,
    test_folders: Sequence[str] = TEST_FOLDERS,
    names: Namer = tuple,
) -> FileSource:
    """A split of a folder of class folders; classes are the training folders, sorted by name.

    Raises:
        UserError: no class folders, a single one, or one without images.
    """
    split_tree = is_split_tree(root)
    train = _named(root, TRAIN_FOLDERS)[0] if split_tree else root
    tests = _named(root, test_folders) if split_tree else []
    held_out = next((folder for folder in tests if subfolders(folder)), None)
    keys = subfolders(train)
    if keys and not split_tree and SPLIT_NAMES.issuperset(key.lower() for key in keys):
        raise UserError(
            f"{root} holds {' and '.join(keys)}, but no folder called train; expected {LAYOUT}"
        )
    if not keys:
        raise UserError(f"no class folders in {train}; expected {LAYOUT}")
    all_names = names(keys)
    chosen = select_classes(wanted, keys, all_names, str(train))
    keys, class_names = [keys[i] for i in chosen], [all_names[i] for i in chosen]

    if split == "test" and held_out is not None:
        classes, notes = _held_out_classes(held_out, keys, restricted=wanted is not None)
        return FileSource.from_classes(root, classes, class_names, notes)
    classes = [images_in(train / key) for key in keys]
    for key, files in zip(keys, classes, strict=True):
        if not files:
            raise UserError(
                f"class folder {train / key} holds no images: add images or remove the folder"
            )
    if held_out is not None:
        return FileSource.from_classes(root, classes, class_names)
    classes = [
        _share(files, test_fraction, split, train / key)
        for key, files in zip(keys, classes, strict=True)
    ]
    note = f"no test folder in {root}: {test_fraction:.0%} of each class is held out for testing"
    return FileSource.from_classes(root, classes, class_names, [note])


def _held_out_classes(
    folder: Path, keys: Sequence[str], restricted: bool
) -> tuple[list[list[ImageFile]], list[str]]:
    present = subfolders(folder)
    classes = [images_in(folder / key) if key in present else [] for key in keys]
    if not any(classes):
        raise UserError(
            f"{folder} holds no images of the training classes ({', '.join(keys[:5])}"
            f"{', ...' if len(keys) > 5 else ''}); expected {LAYOUT}"
        )
    notes = []
    extra = sorted(set(present) - set(keys))
    if extra and not restricted:
        notes.append(f"{len(extra)} classes in {folder} are not in train and are left out")
    missing = [key for key, files in zip(keys, classes, strict=True) if not files]
    if missing:
        notes.append(f"{len(missing)} training classes have no images in {folder}: {missing[0]}...")
    return classes, notes


def _share(
    files: list[ImageFile], test_fraction: float, split: Split, folder: Path
) -> list[ImageFile]:
    if len(files) < 2:
        raise UserError(
            f"class folder {folder} holds a single image, so none can be held out for testing: "
            "add images, or give the test images in a folder PATH/test/<class>/"
        )
    is_test = held_out_mask(len(files), test_fraction)
    return [file for file, test in zip(files, is_test, strict=True) if test == (split == "test")]


def held_out_mask(count: int, test_fraction: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of ``count`` images are held out: always the same, at least one, never all."""
    num_test = min(max(round(count * test_fraction), 1), count - 1)
    mask = np.zeros(count, np.bool_)
    # Shuffled: neighbours in a folder are often frames of one scene or strokes of one hand.
    mask[np.random.Generator(np.random.Philox(key=count)).permutation(count)[:num_test]] = True
    return mask
