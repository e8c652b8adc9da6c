"""A small classifier of images, for the classification accuracy score: network, schedule, test."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from contragan.core.config import Config


class ClassifierConfig(Config):
    """A ResNet and its schedule: SGD with Nesterov momentum 0.9, warm-up of 5%, cosine decay to 0.

    ``width`` is the first stage's channels, doubled in each of three stages of ``blocks`` blocks.
    Augmentation: a shift of up to an eighth of the shorter side, and a horizontal flip where
    ``flip``.
    """

    width: int = Field(default=32, ge=1)
    """Channels of the first stage, doubled in each of the three stages."""
    blocks: int = Field(default=2, ge=1)
    """Residual blocks per stage."""
    epochs: int = Field(default=30, ge=1)
    """Passes over the training images."""
    batch_size: int = Field(default=128, ge=2)
    """Images per update."""
    learning_rate: float = Field(default=0.1, gt=0)
    """Highest learning rate, after a warm-up of 5%; it falls to 0 along a cosine."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """Weight decay of SGD."""
    flip: bool = True
    """Whether training images are mirrored at random."""


@dataclass(frozen=True)
class ClassificationScore:
    """Accuracy on the test set, overall and per class (K,); NaN for a class without images."""

    accuracy: float
    class_accuracy: NDArray[np.float64]


class _Block(nn.Module):
    """Pre-activation residual block."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        changes = stride != 1 or channels_in != channels
        self.shortcut = (
            nn.Conv2d(channels_in, channels, 1, stride, bias=False) if changes else nn.Identity()
        )

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.norm1(images))
        shortcut: Tensor = images if isinstance(self.shortcut, nn.Identity) else self.shortcut(x)
        residual: Tensor = self.conv2(F.relu(self.norm2(self.conv1(x))))
        return residual + shortcut


class SmallResNet(nn.Sequential):
    """Images (B, C, H, W) to class logits (B, K): three stages, global average pooling."""

    def __init__(self, image_channels: int, num_classes: int, width: int, blocks: int) -> None:
        layers: list[nn.Module] = [nn.Conv2d(image_channels, width, 3, 1, 1, bias=False)]
        channels = width
        for stage in range(3):
            wider = width * 2**stage
            for block in range(blocks):
                stride = 2 if block == 0 and stage > 0 else 1
                layers.append(_Block(channels, wider, stride))
                channels = wider
        layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        super().__init__(*layers, nn.Linear(channels, num_classes))


def train_classifier(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    num_classes: int,
    config: ClassifierConfig,
    device: torch.device | str = "cpu",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SmallResNet:
    """A classifier of images (N, C, H, W) with labels (N,).

    The random state of the caller is left as it was. ValueError where the set is empty.
    """
    device = torch.device(device)
    pixels, targets = _tensors(images, labels, device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        network = SmallResNet(pixels.shape[1], num_classes, config.width, config.blocks)
        network.to(device).to(memory_format=torch.channels_last)
        with torch.inference_mode(False), torch.enable_grad():
            _train(network, pixels, targets, config, progress)
    return network


def score_classifier(
    network: SmallResNet, images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> ClassificationScore:
    """How well the classifier knows images (N, C, H, W) with labels (N,); ValueError for none."""
    weight = network[-1].weight
    assert isinstance(weight, Tensor)
    pixels, targets = _tensors(images, labels, weight.device)
    correct = (_predict(network, pixels) == targets).cpu().double().numpy()
    counts = np.bincount(labels, minlength=len(weight))
    hits = np.bincount(labels, weights=correct, minlength=len(weight))
    with np.errstate(invalid="ignore"):
        per_class = hits / np.where(counts > 0, counts, np.nan)
    return ClassificationScore(float(correct.mean()), per_class)


def _tensors(
    images: NDArray[np.uint8], labels: NDArray[np.int64], device: torch.device
) -> tuple[Tensor, Tensor]:
    if len(images) == 0 or len(images) != len(labels):
        raise ValueError(f"{len(images)} images with {len(labels)} labels")
    pixels = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    return pixels, torch.from_numpy(np.ascontiguousarray(labels)).to(device)


def _train(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    config: ClassifierConfig,
    progress: Callable[[int, int], None] | None,
) -> None:
    size = min(config.batch_size, len(images))
    steps = config.epochs * (len(images) // size)
    warm = max(1, steps // 20)
    optimizer = torch.optim.SGD(
        network.parameters(),
        config.learning_rate,
        momentum=0.9,
        weight_decay=config.weight_decay,
        nesterov=True,
    )

    def scale(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, scale)
    network.train()
    step = 0
    for _ in range(config.epochs):
        order = torch.randperm(len(images))
        for rows in torch.split(order, size):
            if len(rows) < size:
                continue
            batch = _augmented(_normalised(images[rows.to(images.device)]), config.flip)
            loss = F.cross_entropy(network(batch), labels[rows.to(labels.device)])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
            if progress is not None:
                progress(step, steps)


@torch.inference_mode()
def _predict(network: nn.Module, images: Tensor) -> Tensor:
    network.eval()
    return torch.cat([network(_normalised(part)).argmax(1) for part in torch.split(images, 256)])


def _normalised(images: Tensor) -> Tensor:
    scaled = images.float().div(127.5).sub(1)
    return scaled.contiguous(memory_format=torch.channels_last)


def _augmented(images: Tensor, flip: bool) -> Tensor:
    """One random shift for the batch, and a flip of a random half of it."""
    reach = min(images.shape[-2:]) // 8
    down, right = torch.randint(0, 2 * reach + 1, (2,)).tolist()
    height, width = images.shape[-2:]
    padded = F.pad(images, (reach,) * 4, mode="reflect") if reach else images
    images = padded[:, :, down : down + height, right : right + width]
    if not flip:
        return images
    chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(chosen, images.flip(3), images)
