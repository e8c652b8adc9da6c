"""Well-known data sets in the files that torchvision downloads, or as a folder of class folders."""

from __future__ import annotations

import pickle
import tarfile
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from contragan.core.cache import make_cache
from contragan.core.errors import UserError
from contragan.core.locking import lock
from contragan.data.arrays import ArrayRows, ArraySource
from contragan.data.base import DatasetConfig, Source, Split
from contragan.data.classes import select_classes
from contragan.data.files import require_folder
from contragan.data.layout import is_split_tree
from contragan.data.tree import tree_source

LAYOUT = "as torchvision keeps it, or as PATH/train/<class>/*.png and PATH/test/<class>/*.png"
DIGIT_NAMES = tuple("0123456789")


class TorchvisionConfig(DatasetConfig):
    """A set in torchvision's files, or as ``train/<class>/`` and ``test/<class>/`` folders.

    Without a folder it is downloaded to the cache where it is not there yet. Images below the
    resolution are enlarged (bicubic), so MNIST's 28 x 28 can be trained on at 32.
    """

    title: ClassVar[str]

    class_name: ClassVar[str]
    """What torchvision calls it."""

    @classmethod
    def dataset(cls) -> Any:
        """torchvision's class."""
        from torchvision import datasets

        return getattr(datasets, cls.class_name)

    def source(self, split: Split, root: Path | None, downloads: Path) -> Source:
        if root is None:
            path = self._downloaded(downloads, split)
        else:
            path = require_folder(root, f"{self.title} {LAYOUT}")
            if is_split_tree(path):  # asked first: importing torchvision takes seconds and memory
                return tree_source(path, split, self.classes)
            missing = [file for file in self.files(split) if not (path / file).is_file()]
            if missing:
                raise UserError(
                    f"{path} does not hold {self.title} ({missing[0]} is missing): expected it "
                    f"{LAYOUT}, or leave out --data to download it"
                )
        files = self.files(split)
        names = self.names(path)
        chosen = select_classes(self.classes, names, names, self.title)

        def load() -> ArrayRows:
            try:
                return self.load(path, split).restrict(chosen, len(names))
            except UNREADABLE as error:
                raise UserError(
                    f"{self.title} in {path} cannot be read ({_line(error)})"
                ) from error

        stats = [(path / file).stat() for file in files]
        key = [f"{f}\0{s.st_size}\0{s.st_mtime_ns}" for f, s in zip(files, stats, strict=True)]
        chosen_names = tuple(names[i] for i in chosen)
        return ArraySource(chosen_names, (self.title, split, str(path), *key, *chosen_names), load)

    def _downloaded(self, folder: Path, split: Split) -> Path:
        if all((folder / file).is_file() for file in self.files(split)):
            return folder
        try:
            make_cache(folder.parent)
            folder.mkdir(exist_ok=True)
            with lock(folder / f".{self.title}.lock"):
                self.download(folder, split)
        except UNREADABLE as error:
            raise UserError(
                f"cannot download {self.title} to {folder} ({_line(error)}): check the network, or "
                f"give a folder that holds {self.files(split)[0]} with --data PATH"
            ) from error
        return folder

    @abstractmethod
    def files(self, split: Split) -> Sequence[str]:
        """Files below the root that the split is read from."""

    @abstractmethod
    def names(self, root: Path) -> Sequence[str]:
        """Class names in label order."""

    @abstractmethod
    def download(self, root: Path, split: Split) -> None:
        """Fetch what is missing, through torchvision."""

    @abstractmethod
    def load(self, root: Path, split: Split) -> ArrayRows:
        """Read the split's arrays."""


# What a broken or unreachable file makes torchvision, pickle and SciPy raise.
UNREADABLE = (OSError, RuntimeError, ValueError, EOFError, tarfile.TarError, pickle.PickleError)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class _CIFARConfig(TorchvisionConfig):
    # Read here file by file: torchvision's class holds the pixels twice while it loads them.
    label_key: ClassVar[str]

    def _parts(self, split: Split) -> list[tuple[str, str]]:
        dataset = self.dataset()
        parts = dataset.train_list if split == "train" else dataset.test_list
        return [(f"{dataset.base_folder}/{name}", md5) for name, md5 in parts]

    def files(self, split: Split) -> Sequence[str]:
        dataset = self.dataset()
        meta = f"{dataset.base_folder}/{dataset.meta['filename']}"
        return [*(name for name, _ in self._parts(split)), meta]

    def names(self, root: Path) -> Sequence[str]:
        meta = self.dataset().meta
        path = root / self.dataset().base_folder / meta["filename"]
        return tuple(_checked_pickle(path, meta["md5"])[meta["key"]])

    def download(self, root: Path, split: Split) -> None:
        from torchvision.datasets.utils import download_and_extract_archive

        dataset = self.dataset()
        download_and_extract_archive(
            dataset.url, str(root), filename=dataset.filename, md5=dataset.tgz_md5
        )

    def load(self, root: Path, split: Split) -> ArrayRows:
        images = np.empty((0, 32, 32, 3), np.uint8)
        labels: list[int] = []
        parts = self._parts(split)
        for index, (name, md5) in enumerate(parts):
            part = _checked_pickle(root / name, md5)
            planes = part["data"].reshape(-1, 3, 32, 32)
            if not index:
                images = np.empty((len(planes) * len(parts), 32, 32, 3), np.uint8)
            images[len(labels) : len(labels) + len(planes)] = planes.transpose(0, 2, 3, 1)
            labels += part[self.label_key]
        return ArrayRows(images[: len(labels)], np.array(labels, np.int64))


def _checked_pickle(path: Path, md5: str) -> dict[str, Any]:
    from torchvision.datasets.utils import check_integrity

    # A pickle can run code: only the published file, by its checksum, is opened.
    if not check_integrity(str(path), md5):
        raise UserError(
            f"{path} is damaged or not the published file: remove it and download again"
        )
    with open(path, "rb") as file:
        content: dict[str, Any] = pickle.load(file, encoding="latin1")
    return content


class CIFAR10Config(_CIFARConfig):
    """CIFAR-10: 50,000 training and 10,000 test images of 10 classes, 32 x 32."""

    kind: Literal["cifar10"]
    title: ClassVar[str] = "CIFAR-10"
    class_name: ClassVar[str] = "CIFAR10"
    label_key: ClassVar[str] = "labels"


class CIFAR100Config(_CIFARConfig):
    """CIFAR-100: 50,000 training and 10,000 test images of 100 classes, 32 x 32."""

    kind: Literal["cifar100"]
    title: ClassVar[str] = "CIFAR-100"
    class_name: ClassVar[str] = "CIFAR100"
    label_key: ClassVar[str] = "fine_labels"


class MNISTConfig(TorchvisionConfig):
    """MNIST: 60,000 training and 10,000 test images of handwritten digits, 28 x 28, grey."""

    kind: Literal["mnist"]
    title: ClassVar[str] = "MNIST"
    class_name: ClassVar[str] = "MNIST"

    def files(self, split: Split) -> Sequence[str]:
        # torchvision wants both splits' files before it reads either.
        return [
            f"{self.class_name}/raw/{name}-ubyte"
            for prefix in ("train", "t10k")
            for name in (f"{prefix}-images-idx3", f"{prefix}-labels-idx1")
        ]

    def names(self, root: Path) -> Sequence[str]:
        return DIGIT_NAMES

    def download(self, root: Path, split: Split) -> None:
        self.dataset()(root, train=split == "train", download=True)

    def load(self, root: Path, split: Split) -> ArrayRows:
        data = self.dataset()(root, train=split == "train")
        return ArrayRows(data.data.numpy(), data.targets.numpy().astype(np.int64))


class FashionMNISTConfig(MNISTConfig):
    """Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 28 x 28, grey."""

    kind: Literal["fashion_mnist"]  # type: ignore[assignment]
    title: ClassVar[str] = "Fashion-MNIST"
    class_name: ClassVar[str] = "FashionMNIST"

    def names(self, root: Path) -> Sequence[str]:
        return tuple(self.dataset().classes)


class SVHNConfig(TorchvisionConfig):
    """SVHN: 73,257 training and 26,032 test images of house numbers, 32 x 32."""

    kind: Literal["svhn"]
    title: ClassVar[str] = "SVHN"
    class_name: ClassVar[str] = "SVHN"

    def files(self, split: Split) -> Sequence[str]:
        return [f"{split}_32x32.mat"]

    def names(self, root: Path) -> Sequence[str]:
        return DIGIT_NAMES

    def download(self, root: Path, split: Split) -> None:
        self.dataset()(root, split, download=True)

    def load(self, root: Path, split: Split) -> ArrayRows:
        data = self.dataset()(root, split)
        return ArrayRows(data.data.transpose(0, 2, 3, 1), data.labels.astype(np.int64))


class STL10Config(TorchvisionConfig):
    """STL-10: 5,000 training and 8,000 test images of 10 classes, 96 x 96."""

    kind: Literal["stl10"]
    title: ClassVar[str] = "STL-10"
    class_name: ClassVar[str] = "STL10"

    def files(self, split: Split) -> Sequence[str]:
        folder = "stl10_binary"
        return [f"{folder}/{split}_X.bin", f"{folder}/{split}_y.bin", f"{folder}/class_names.txt"]

    def names(self, root: Path) -> Sequence[str]:
        return tuple(
            (root / "stl10_binary" / "class_names.txt").read_text(encoding="utf-8").split()
        )

    def download(self, root: Path, split: Split) -> None:
        self.dataset()(root, split, download=True)

    def load(self, root: Path, split: Split) -> ArrayRows:
        data = self.dataset()(root, split)
        return ArrayRows(data.data.transpose(0, 2, 3, 1), data.labels.astype(np.int64))
