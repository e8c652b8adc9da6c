"""Data sets: names to decoded images, and images to batches on the device."""

from __future__ import annotations

from contragan.data.base import ImageDataset
from contragan.data.datasets import DataConfig, describe_classes, load_dataset
from contragan.data.image_set import Reading, in_colour, load_image_set
from contragan.data.rare import drawn_counts, rare_classes
from contragan.data.sampler import EpochSampler, LabelSampler
from contragan.data.source import BatchSource

__all__ = [
    "BatchSource",
    "DataConfig",
    "EpochSampler",
    "ImageDataset",
    "LabelSampler",
    "Reading",
    "describe_classes",
    "drawn_counts",
    "in_colour",
    "load_dataset",
    "load_image_set",
    "rare_classes",
]
