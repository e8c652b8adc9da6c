"""Data sets: names to decoded images, and images to batches on the device."""

from __future__ import annotations

from contragan.data.base import ImageDataset
from contragan.data.datasets import DataConfig, load_dataset
from contragan.data.sampler import EpochSampler, LabelSampler
from contragan.data.source import BatchSource

__all__ = [
    "BatchSource",
    "DataConfig",
    "EpochSampler",
    "ImageDataset",
    "LabelSampler",
    "load_dataset",
]
