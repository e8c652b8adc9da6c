"""Training on few images of each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from contragan.data.base import ImageDataset
from contragan.data.datasets import first_of_each_class, load_dataset
from contragan.recipes.schema import load_recipe


def test_the_first_images_of_each_class_are_kept_in_their_order() -> None:
    labels = np.array([1, 0, 1, 2, 1, 0, 2, 0])
    images = np.arange(8, dtype=np.uint8).reshape(8, 1, 1, 1)
    data = ImageDataset(images, labels, ("a", "b", "c"), "print", "name", "train")
    few = first_of_each_class(data, 2)
    assert few.images.ravel().tolist() == [0, 1, 2, 3, 5, 6]
    assert few.labels.tolist() == [1, 0, 1, 2, 0, 2]
    assert few.fingerprint != data.fingerprint
    assert few.notes == ("data.images_per_class: 6 of 8 training images are used",)
    assert first_of_each_class(data, 3) is data


def test_only_training_images_are_fewer(tmp_path: Path) -> None:
    every = load_recipe("digits/contragan").data
    few = load_recipe("digits/contragan", ["data.images_per_class=6"]).data
    train, test = (load_dataset(few, split, root=None) for split in ("train", "test"))
    assert train.class_counts.tolist() == [6] * 10
    assert len(test) == len(load_dataset(every, "test", root=None))
