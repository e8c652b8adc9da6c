"""What is said of classes with few images, and how often classes are drawn."""

import numpy as np

from contragan.data import ImageDataset, drawn_counts, rare_classes


def data_of(**counts: int) -> ImageDataset:
    labels = np.repeat(np.arange(len(counts)), list(counts.values()))
    images = np.zeros((len(labels), 8, 8, 3), np.uint8)
    return ImageDataset(images, labels, tuple(counts), "print", "name", "train")


def test_classes_too_small_to_learn_from_are_named_the_smallest_first() -> None:
    warning, imbalance = rare_classes(data_of(cat=700, fox=49, lynx=6, dog=50), "natural")
    assert "2 classes have fewer than 50 training images (lynx 6, fox 49)" in warning
    assert "cat is drawn 116 times as often as lynx" in imbalance
    assert rare_classes(data_of(cat=700, lynx=6), "balanced")[0].startswith("warning: 1 class has")
    assert len(rare_classes(data_of(cat=700, lynx=6), "balanced")) == 1


def test_nothing_is_said_of_enough_images_or_of_one_class() -> None:
    assert rare_classes(data_of(cat=499, dog=50), "natural") == []
    assert rare_classes(data_of(cat=9), "natural") == []


def test_classes_are_drawn_by_their_images_or_equally() -> None:
    data = data_of(cat=30, none=0, dog=10)
    assert drawn_counts(data, "natural").tolist() == [30, 0, 10]
    assert drawn_counts(data, "balanced").tolist() == [1, 0, 1]
