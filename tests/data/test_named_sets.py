from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torchvision.datasets
import torchvision.datasets.utils

from contragan.core.errors import UserError
from contragan.data import ImageDataset

Load = Callable[..., ImageDataset]


def test_digits(load: Load) -> None:
    train = load(None, kind="digits", channels=1)
    test = load(None, "test", kind="digits", channels=1)
    assert train.images.shape == (1438, 16, 16, 1)
    assert len(train) + len(test) == 1797
    assert train.class_names == tuple("0123456789")
    assert (test.class_counts / 1797).sum() == pytest.approx(0.2, abs=0.003)
    assert test.class_counts.min() >= 34
    assert train.images.max() == 255
    # Halving the enlarged digits gives back digits: class means stay told apart.
    means = np.stack([train.images[train.labels == k].mean(0).ravel() for k in range(10)])
    nearest = ((test.images.reshape(len(test), 1, -1) - means) ** 2).sum(2).argmin(1)
    assert (nearest == test.labels).mean() > 0.85


def test_digits_are_read_from_no_folder(tmp_path: Path, load: Load) -> None:
    with pytest.raises(UserError, match=f"not read from {tmp_path}: leave out --data"):
        load(tmp_path, kind="digits", channels=1)


def test_digits_fingerprint_is_of_the_content(load: Load) -> None:
    first = load(None, kind="digits", channels=1)
    assert load(None, kind="digits", channels=1).fingerprint == first.fingerprint
    others = [
        load(None, "test", kind="digits", channels=1),
        load(None, kind="digits", channels=3),
        load(None, kind="digits", channels=1, resolution=32),
        load(None, kind="digits", channels=1, classes=("1", "0")),
    ]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 5
    assert others[3].class_names == ("1", "0")
    assert others[3].class_counts.tolist() == first.class_counts[[1, 0]].tolist()


def test_cifar10_as_a_folder_tree(tree: Path, load: Load) -> None:
    data = load(tree, kind="cifar10")
    assert data.class_names == ("ant", "bee", "cow")
    assert data.name == "cifar10"


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, np.ndarray]:
    """CIFAR-10's files with two batches of four images; returns root and (8, 32, 32, 3) pixels."""
    cifar10 = torchvision.datasets.CIFAR10
    folder = tmp_path / "data" / cifar10.base_folder
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)

    def write(name: str, content: Any) -> list[str]:
        raw = pickle.dumps(content)
        (folder / name).write_bytes(raw)
        return [name, hashlib.md5(raw).hexdigest()]

    parts = []
    for index in range(2):
        part = pixels[4 * index : 4 * index + 4].transpose(0, 3, 1, 2).reshape(4, 3072)
        parts.append(write(f"data_batch_{index}", {"data": part, "labels": [2, 0, 1, 1]}))
    name, md5 = write("batches.meta", {"label_names": ["plane", "car", "bird"]})
    monkeypatch.setattr(cifar10, "train_list", parts)
    monkeypatch.setattr(cifar10, "meta", {"filename": name, "key": "label_names", "md5": md5})
    return tmp_path / "data", pixels


def test_cifar10_in_torchvisions_files(cifar: tuple[Path, np.ndarray], load: Load) -> None:
    root, pixels = cifar
    data = load(root, kind="cifar10", resolution=32)
    assert data.class_names == ("plane", "car", "bird")
    assert data.labels.tolist() == [2, 0, 1, 1, 2, 0, 1, 1]
    np.testing.assert_array_equal(data.images, pixels)
    some = load(root, kind="cifar10", resolution=32, classes=("bird", "plane"))
    assert some.labels.tolist() == [0, 1, 0, 1]
    np.testing.assert_array_equal(some.images, pixels[[0, 1, 4, 5]])


def test_a_changed_pickle_is_not_opened(cifar: tuple[Path, np.ndarray], load: Load) -> None:
    root, _ = cifar
    with open(root / "cifar-10-batches-py" / "data_batch_1", "ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match="data_batch_1 is damaged or not the published file"):
        load(root, kind="cifar10")


def idx(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
    path.write_bytes(header + values.astype(np.uint8).tobytes())


@pytest.mark.parametrize(
    ("kind", "folder", "name"),
    [("mnist", "MNIST", "3"), ("fashion_mnist", "FashionMNIST", "Dress")],
)
def test_mnist_is_enlarged(tmp_path: Path, load: Load, kind: str, folder: str, name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    raw = tmp_path / "data" / folder / "raw"
    for prefix, rows in (("train", slice(0, 20)), ("t10k", slice(5, 9))):
        idx(raw / f"{prefix}-images-idx3-ubyte", pixels[rows])
        idx(raw / f"{prefix}-labels-idx1-ubyte", np.arange(20)[rows] % 10)
    data = load(tmp_path / "data", kind=kind, channels=1, resolution=32)
    assert data.images.shape == (20, 32, 32, 1)
    assert data.class_names[3] == name
    same = load(tmp_path / "data", kind=kind, channels=1, resolution=28)
    np.testing.assert_array_equal(same.images[..., 0], pixels)
    test = load(tmp_path / "data", "test", kind=kind, channels=1, resolution=28)
    np.testing.assert_array_equal(test.images[..., 0], pixels[5:9])
    assert test.labels.tolist() == [5, 6, 7, 8]


def test_svhn(tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    path = tmp_path / "data" / "test_32x32.mat"
    path.parent.mkdir()
    labels = np.array([[10], [1], [2], [10], [9], [3]])
    scipy.io.savemat(path, {"X": pixels.transpose(1, 2, 3, 0), "y": labels})
    monkeypatch.setattr(torchvision.datasets.SVHN, "_check_integrity", lambda self: True)
    data = load(tmp_path / "data", "test", kind="svhn", resolution=32)
    np.testing.assert_array_equal(data.images, pixels)
    assert data.labels.tolist() == [0, 1, 2, 0, 9, 3]


def test_stl10(tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), np.uint8)
    folder = tmp_path / "data" / "stl10_binary"
    folder.mkdir(parents=True)
    pixels.transpose(0, 3, 2, 1).tofile(folder / "train_X.bin")
    np.array([1, 3, 2, 1], np.uint8).tofile(folder / "train_y.bin")
    (folder / "class_names.txt").write_text("plane\nbird\ncar\n")
    monkeypatch.setattr(torchvision.datasets.STL10, "_check_integrity", lambda self: True)
    data = load(tmp_path / "data", kind="stl10", resolution=96)
    assert data.class_names == ("plane", "bird", "car")
    assert data.labels.tolist() == [0, 2, 1, 0]
    np.testing.assert_array_equal(data.images, pixels)


@pytest.mark.parametrize("kind", ["cifar10", "cifar100", "mnist", "fashion_mnist", "svhn", "stl10"])
def test_what_is_missing_is_said(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "readme.txt").write_text("elsewhere")
    with pytest.raises(UserError, match=r"does not hold .* is missing\): .* leave out --data"):
        load(tmp_path / "data", kind=kind)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError("no route\nto host")

    for module in (
        torchvision.datasets.cifar,
        torchvision.datasets.stl10,
        torchvision.datasets.utils,
        torchvision.datasets.mnist,
    ):
        monkeypatch.setattr(module, "download_and_extract_archive", refuse)
    monkeypatch.setattr(torchvision.datasets.svhn, "download_url", refuse)
    monkeypatch.setattr(torchvision.datasets.mnist, "URLError", RuntimeError)
    with pytest.raises(UserError, match=r"cannot download .* \(no route to host\): .* --data PATH"):
        load(None, kind=kind)
