"""Data sets that are folders of class folders: anybody's own, and ImageNet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from contragan.core.errors import UserError
from contragan.core.words import counted, shortened
from contragan.data.base import DatasetConfig, Source, Split
from contragan.data.classes import readable_names, select_classes
from contragan.data.file_source import FileSource
from contragan.data.files import (
    ImageFile,
    has_images,
    images_in,
    natural_order,
    require_folder,
    subfolders,
)
from contragan.data.formats import LeftOut
from contragan.data.held_out import held_out_source
from contragan.data.layout import (
    NO_CLASS,
    TEST_WORDS,
    TRAIN_WORDS,
    images_of_class,
    innermost,
    is_split_tree,
    refuse_wrong_level,
    split_folders,
    split_word,
)
from contragan.data.lists import Listed, find_list, unused_list
from contragan.data.place import located, short_of
from contragan.data.preprocess import BACKGROUND, Fit, Preprocess, known_colour
from contragan.data.tiny_imagenet import ANNOTATIONS, annotated_images, is_annotated

LAYOUT = "PATH/train/<class>/*.jpg with PATH/test/<class>/*.jpg, or PATH/<class>/*.jpg"
IMAGENET_LAYOUT = (
    "PATH/train/<wnid>/*.JPEG and PATH/val/<wnid>/*.JPEG, which https://image-net.org gives to "
    "those who register"
)

Namer = Callable[[Sequence[str]], Sequence[str]]


class FolderConfig(DatasetConfig):
    """A user's own images.

    ``PATH/train/<class>/`` with ``PATH/test/<class>/`` (or val, training_set, ...; in capitals or
    not), ``PATH/<class>/``, a list of paths and labels (:func:`~contragan.data.lists.find_list`), a
    zip of either, Parquet files, ``hf:NAME``, or for an unconditional GAN just images.
    """

    kind: Literal["folder"]
    path: str | None = None
    """Where the images lie, where --data does not say; null for nowhere."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of each class that becomes the test split where there is no test folder."""
    background: Annotated[str, AfterValidator(known_colour)] = BACKGROUND
    """Colour that transparent images lie over, by name or as #rrggbb."""
    value_range: Literal["auto"] | tuple[float, float] = "auto"
    """Values that become 0 and 255 in images of more than 8 bits, as [LOW, HIGH]; auto takes them
    from all images of a kind (16-bit, 32-bit, floating-point)."""

    fit: Fit = "crop"
    """How an image gets the shape of data.resolution: crop keeps its central part, pad all of it
    with a border of data.background, stretch all of it, distorted."""
    enlarge: bool = False
    """Whether images smaller than the resolution are enlarged, and not refused."""

    @field_validator("value_range")
    @classmethod
    def _rises(cls, value: str | tuple[float, float]) -> str | tuple[float, float]:
        if isinstance(value, tuple) and not value[0] < value[1]:
            raise ValueError("must be auto, or [LOW, HIGH] with LOW below HIGH")
        return value

    @property
    def preprocess(self) -> Preprocess:
        value_range = None if self.value_range == "auto" else self.value_range
        return replace(
            super().preprocess,
            enlarges=self.enlarge,
            background=self.background,
            value_range=value_range,
            fit=self.fit,
        )

    def source(self, split: Split, root: Path | None, downloads: Path) -> Source:
        path, origin = located(root, LAYOUT, downloads.parent)
        listed = find_list(path, confined=origin is not None)
        if listed is None:
            found = tree_source(path, split, self.classes, test_fraction=self.test_fraction)
            unused = unused_list(path)
            notes = [] if unused is None else [unused]
        else:
            found = listed_source(listed, split, self.classes, self.test_fraction)
            notes = [f"reading {found.layout}"]
        notes += found.notes
        if origin is not None:
            notes = [f"reading {origin}", *short_of(path, root, notes)]
            found = replace(found, layout=f"{origin}: {found.layout}")
        return replace(found, notes=tuple(notes))


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

        return tree_source(path, split, self.classes, test_words=("val",), names=names)


def tree_source(
    root: Path,
    split: Split,
    wanted: Sequence[str] | None,
    *,
    test_fraction: float = 0.1,
    test_words: Sequence[str] = TEST_WORDS,
    names: Namer = tuple,
) -> FileSource:
    """A split of a folder of class folders; classes are the training folders, numbers counting.

    A folder of images without class folders has one class. A test folder whose images lie together,
    as Tiny ImageNet's do, is used where ``val_annotations.txt`` says their classes.

    Raises:
        UserError: no images, a class folder without images, or folders that may be either splits
            or classes.
    """
    place = _find_splits(root, test_words)
    left_out = LeftOut()
    keys, class_names, classes = _training_classes(place, wanted, names, left_out)
    notes = [*place.notes]
    if place.test is None:
        notes += _line(left_out, place.train)
        source = held_out_source(place.root, classes, class_names, split, test_fraction, notes)
    elif split == "train":
        notes += _line(left_out, place.train)
        source = FileSource.from_classes(place.root, classes, class_names, notes)
    else:
        left_out = LeftOut()
        tested, more = _test_classes(place.test, keys, left_out, wanted is not None)
        notes += [*more, *_line(left_out, place.test)]
        training = [file for files in classes for file in files]
        source = FileSource.from_classes(place.root, tested, class_names, notes, training)
    layout = "class folders" if place.keys else "images without classes"
    if place.test is not None:
        layout += f", with test images in {place.test.name}"
        layout += f", whose classes {ANNOTATIONS} lists" if is_annotated(place.test) else ""
    return replace(source, layout=layout, unread=dict(left_out.unread))


@dataclass(frozen=True)
class _Splits:
    """Where images lie: ``keys`` are the class folders in ``train``; ``test`` is None where a share
    of the training images is held out instead."""

    root: Path
    train: Path
    test: Path | None
    keys: Sequence[str]
    notes: tuple[str, ...]


def _find_splits(outer: Path, test_words: Sequence[str]) -> _Splits:
    root = innermost(outer)
    split_tree = is_split_tree(root)
    train = split_folders(root, TRAIN_WORDS)[0] if split_tree else root
    tests = split_folders(root, test_words) if split_tree else []
    keys = subfolders(train)
    if keys and not split_tree and all(map(split_word, keys)):
        raise UserError(
            f"{root} holds {' and '.join(keys)}, but no folder called train; expected {LAYOUT}"
        )
    test = next(
        (one for one in tests if (_has_classes(one, keys) if keys else has_images(one))), None
    )
    notes = [] if outer == root else [f"reading {root}, the only folder in {outer}"]
    if tests and test is None:
        notes.append(f"{tests[0]} is not laid out as {train} is, and is left out")
    return _Splits(root, train, test, keys, tuple(notes))


_TOGETHER = {"images", "image", "imgs", "img"}
"""What a folder is called that is not of a class, but holds images of all."""


def _has_classes(folder: Path, keys: Sequence[str]) -> bool:
    """Whether the classes of a test folder's images are known."""
    inside = set(subfolders(folder))
    return is_annotated(folder) or bool(inside - (_TOGETHER - set(keys)))


def _training_classes(
    place: _Splits, wanted: Sequence[str] | None, names: Namer, left_out: LeftOut
) -> tuple[Sequence[str], Sequence[str], list[list[ImageFile]]]:
    """Folders, names and images of the classes that are ``wanted``; no folders for one class."""
    train, keys = place.train, place.keys
    if keys:
        if wanted is None:
            refuse_wrong_level(train, _REMEDY)
        all_names = names(keys)
        chosen = select_classes(wanted, keys, all_names, str(train))
        left_out.beside_classes += len(images_in(train, left_out, deep=False))
        chosen_keys = [keys[k] for k in chosen]
        classes = [images_of_class(train / key, left_out) for key in chosen_keys]
        return chosen_keys, [all_names[k] for k in chosen], classes
    images = images_in(train, left_out)
    if not images:
        found = f" ({line})" if (line := left_out.line("it")) else ""
        raise UserError(f"no class folders and no images in {train}{found}; expected {LAYOUT}")
    return [], [NO_CLASS], [images]


def listed_source(
    listed: Listed, split: Split, wanted: Sequence[str] | None, test_fraction: float
) -> FileSource:
    """A split of the images that a list names.

    Raises:
        UserError: as :func:`tree_source` does.
    """
    keys = list(listed.train)
    chosen = [keys[k] for k in select_classes(wanted, keys, keys, str(listed.root))]
    train = [listed.train[key] for key in chosen]
    if listed.test is None:
        found = held_out_source(
            listed.root, train, chosen, split, test_fraction, listed.notes, "test images"
        )
    elif split == "train":
        found = FileSource.from_classes(listed.root, train, chosen, listed.notes)
    else:
        test = [listed.test.get(key, []) for key in chosen]
        if not any(test):
            raise UserError(f"{listed.root}: no test image is of the training images' classes")
        notes = [*listed.notes]
        extra = [key for key in listed.test if key not in listed.train]
        if extra:
            notes.append(
                f"test images of {shortened(extra)} are left out: no training image is of that "
                "class"
            )
        every = [file for files in train for file in files]
        found = FileSource.from_classes(listed.root, test, chosen, notes, every)
    return replace(found, layout=listed.layout, unread=listed.unread)


_REMEDY = (
    "Give --data {first} to train on {inner}, rename the folders to train and test if they are the "
    "splits, or name the classes yourself: --set data.classes=[{outer}]"
)


def _line(left_out: LeftOut, where: Path) -> list[str]:
    line = left_out.line(where)
    return [] if line is None else [line]


def _test_classes(
    folder: Path, keys: Sequence[str], left_out: LeftOut, restricted: bool
) -> tuple[list[list[ImageFile]], list[str]]:
    """Images of each class in a test folder, and lines on classes that are not in both splits."""
    if not keys:
        return [images_in(folder, left_out)], []
    if is_annotated(folder):
        return annotated_images(folder, keys), []
    present, trained = set(subfolders(folder)), set(keys)
    classes = [images_in(folder / key, left_out) if key in present else [] for key in keys]
    left_out.beside_classes += len(images_in(folder, left_out, deep=False))
    if not any(classes):
        raise UserError(
            f"{folder} holds no images of the training classes ({', '.join(keys[:5])}"
            f"{', ...' if len(keys) > 5 else ''}); expected {LAYOUT}"
        )
    notes = []
    extra = present - trained
    if extra and not restricted:
        are = counted(len(extra), "test class is", "test classes are")
        notes.append(
            f"{are} left out, as {folder.name} has images of "
            f"{shortened(sorted(extra, key=natural_order), 4)} and the training images do not"
        )
    missing = [key for key, files in zip(keys, classes, strict=True) if not files]
    if missing:
        have = counted(len(missing), "training class has", "training classes have")
        notes.append(f"{have} no images in {folder}: {shortened(missing, 4)}")
    return classes, notes
