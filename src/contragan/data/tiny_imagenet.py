"""Tiny ImageNet in its official layout, whole or in part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from contragan.core.errors import UserError
from contragan.data.base import DatasetConfig, Source, Split
from contragan.data.classes import readable_names, select_classes
from contragan.data.file_source import FileSource
from contragan.data.files import ImageFile, images_in, require_folder, subfolders

LAYOUT = (
    "PATH/train/<wnid>/images/*.JPEG, PATH/val/images/*.JPEG and PATH/val/val_annotations.txt, as "
    "in http://cs231n.stanford.edu/tiny-imagenet-200.zip"
)
NUM_CLASSES = 200

ANNOTATIONS = "val_annotations.txt"
"""Lists the images of ``val`` with their classes, as they lie in one folder."""


class TinyImageNetConfig(DatasetConfig):
    """Tiny ImageNet: 200 classes of 500 training and 50 validation images, 64 x 64.

    The folders in ``train`` are the classes, so a part of the set is a data set too. The test
    split is ``val``, restricted to those classes.
    """

    kind: Literal["tiny_imagenet"]

    def source(self, split: Split, root: Path | None, downloads: Path) -> Source:
        path = require_folder(root, LAYOUT)
        wnids = subfolders(path / "train")
        if not wnids:
            raise UserError(f"no class folders in {path / 'train'}; expected {LAYOUT}")
        names = readable_names(wnids, path / "words.txt")
        chosen = select_classes(self.classes, wnids, names, str(path / "train"))
        notes = []
        if len(wnids) < NUM_CLASSES:
            notes.append(f"{path / 'train'} holds {len(wnids)} of Tiny ImageNet's 200 classes")
        keys, class_names = [wnids[i] for i in chosen], [names[i] for i in chosen]
        classes = _train(path, keys) if split == "train" else annotated_images(path / "val", keys)
        return FileSource.from_classes(path, classes, class_names, notes)


def _train(root: Path, wnids: Sequence[str]) -> list[list[ImageFile]]:
    classes = [images_in(root / "train" / wnid) for wnid in wnids]
    for wnid, files in zip(wnids, classes, strict=True):
        if not files:
            raise UserError(
                f"class folder {root / 'train' / wnid} holds no images; expected {LAYOUT}"
            )
    return classes


def is_annotated(folder: Path) -> bool:
    """Whether a folder's images lie together, and a file beside them says their classes."""
    return (folder / ANNOTATIONS).is_file()


def annotated_images(folder: Path, wnids: Sequence[str]) -> list[list[ImageFile]]:
    """The images of each class that ``val_annotations.txt`` in ``folder`` lists.

    Raises:
        UserError: it is missing or damaged, or lists a file that is not there, or none of a class.
    """
    annotations = folder / ANNOTATIONS
    if not annotations.is_file():
        raise UserError(f"{annotations} is missing; expected {LAYOUT}")
    files = {file.path.rpartition("/")[2]: file for file in images_in(folder / "images")}
    classes: dict[str, list[ImageFile]] = {wnid: [] for wnid in wnids}
    for number, line in enumerate(annotations.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split()
        if len(fields) < 2:
            raise UserError(f"{annotations}, line {number}: expected an image name and a wnid")
        name, wnid = fields[:2]
        if wnid in classes:
            if name not in files:
                raise UserError(f"{folder / 'images' / name} is missing: {annotations} lists it")
            classes[wnid].append(files[name])
    for wnid, found in classes.items():
        if not found:
            raise UserError(f"{annotations} lists no image of class {wnid}")
    return list(classes.values())
