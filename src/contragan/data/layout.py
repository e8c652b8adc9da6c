"""How a folder of images is laid out: splits, class folders, or a flat folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from contragan.core.errors import UserError
from contragan.data.files import (
    ImageFile,
    has_images,
    images_in,
    natural_order,
    subfolders,
)
from contragan.data.formats import LeftOut

NO_CLASS = "image"
"""The only class of images without labels."""

TRAIN_WORDS = ("train", "training")
TEST_WORDS = ("test", "testing", "val", "valid", "validation", "eval", "dev")
_SPLIT = re.compile(
    rf"(?<![a-z])({'|'.join((*TRAIN_WORDS, *TEST_WORDS))})(?=set|data|images|[^a-z]|$)"
)
_WITH_SPLIT = ("", "set", "data", "dataset", "images", "imgs", "seg", "split")
"""What may stand beside the word in a folder's name, as in ``training_set``."""


def split_word(folder: str) -> str | None:
    """The word that makes a folder's name one of a split: ``training`` in ``Training_Set``."""
    found = _SPLIT.search(folder.lower())
    if found is None:
        return None
    rest = _SPLIT.sub("", folder.lower(), count=1).strip("_-. ")
    return found[1] if rest in _WITH_SPLIT else None


def split_folders(root: Path, words: Sequence[str]) -> list[Path]:
    """The folders in ``root`` that these words name, in their order; plain names come first."""
    found = [(split_word(folder), folder) for folder in subfolders(root)]
    chosen = [(word, folder) for word, folder in found if word in words]
    chosen.sort(key=lambda pair: (words.index(pair[0] or ""), len(pair[1]), pair[1] not in words))
    return [root / folder for _, folder in chosen]


def is_split_tree(root: Path) -> bool:
    """Whether ``root`` holds ``train/<class>/`` folders, rather than class folders."""
    train = split_folders(root, TRAIN_WORDS)
    others = [folder for folder in subfolders(root) if split_word(folder) is None]
    return bool(train) and (bool(subfolders(train[0])) or not others)


def innermost(root: Path) -> Path:
    """``root``, or the folder in it that holds the classes where it holds nothing else.

    An unpacked archive often is such a folder in a folder.
    """
    while not is_split_tree(root) and not has_images(root):
        inside = subfolders(root)
        if len(inside) != 1:
            break
        only = root / inside[0]
        deeper = subfolders(only)
        if len(deeper) < 2 and not any(subfolders(only / name) for name in deeper):
            break
        root = only
    return root


def refuse_wrong_level(root: Path, remedy: str) -> None:
    """Refuse folders that hold the same folders, which are the classes as likely as they are.

    Raises:
        UserError: naming both readings, with ``remedy``, in which {first} is the first folder,
            {outer} are all and {inner} the folders in them.
    """
    outer = subfolders(root)
    if len(outer) < 2:
        return
    inside = []
    for folder in outer:
        names = subfolders(root / folder)
        if len(names) < 2 or has_images(root / folder):
            return
        inside.append(set(names))
    common, every = set.intersection(*inside), set.union(*inside)
    if len(common) < 2 or 2 * len(common) < len(every):
        return
    inner = sorted(common, key=natural_order)
    facts = {"first": root / outer[0], "outer": _list(outer), "inner": _list(inner)}
    raise UserError(
        f"{root} holds {facts['outer']}, and each of them holds {facts['inner']}: either may be "
        f"the classes. {remedy.format(**facts)}"
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def class_folders(root: Path, left_out: LeftOut) -> dict[str, list[ImageFile]]:
    """The images in each class folder of ``root``, or all of them as one class where it has none.

    Raises:
        UserError: a class folder without images.
    """
    names = subfolders(root)
    if not names:
        return {NO_CLASS: images_in(root, left_out)}
    left_out.beside_classes += len(images_in(root, left_out, deep=False))
    return {name: images_of_class(root / name, left_out) for name in names}


def images_of_class(folder: Path, left_out: LeftOut) -> list[ImageFile]:
    """The images in a class folder.

    Raises:
        UserError: there are none.
    """
    own = LeftOut()
    files = images_in(folder, own)
    if not files:
        raise UserError(
            f"class folder {folder} holds no images: add images or remove the folder"
            + (f" ({line})" if (line := own.line("it")) else "")
        )
    left_out.add(own)
    return files
