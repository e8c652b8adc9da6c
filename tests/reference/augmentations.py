"""Augmentations pixel by pixel, from the random strengths they were given."""

import math

import torch
from torch import Tensor


def colored(image: Tensor, brightness: float, saturation: float, contrast: float) -> Tensor:
    """DiffAugment's colour on one image (C, H, W), strengths in [0, 1)."""
    channels, height, width = image.shape
    out = image + brightness - 0.5
    for i in range(height):
        for j in range(width):
            mean = sum(float(out[c, i, j]) for c in range(channels)) / channels
            for c in range(channels):
                out[c, i, j] = mean + (out[c, i, j] - mean) * 2 * saturation
    mean = float(out.sum()) / out.numel()
    return (out - mean) * (contrast + 0.5) + mean


def translated(image: Tensor, down: int, right: int) -> Tensor:
    out = torch.zeros_like(image)
    _, height, width = image.shape
    for i in range(height):
        for j in range(width):
            if 0 <= i + down < height and 0 <= j + right < width:
                out[:, i, j] = image[:, i + down, j + right]
    return out


def cut(image: Tensor, row: int, column: int) -> Tensor:
    """A square of half the side around (row, column) becomes 0."""
    out = image.clone()
    _, height, width = image.shape
    for i in range(height):
        for j in range(width):
            if -(height // 4) <= i - row < height // 4 and -(width // 4) <= j - column < width // 4:
                out[:, i, j] = 0
    return out


def resampled(image: Tensor, matrix: Tensor) -> Tensor:
    """One image read bilinearly at ``matrix`` times each output position, reflected outside."""
    _, height, width = image.shape
    out = torch.zeros_like(image)

    def reflect(x: float, size: int) -> float:
        x = abs(x + 0.5) % (2 * size)
        return min(x, 2 * size - x) - 0.5

    for i in range(height):
        for j in range(width):
            position = torch.tensor([(2 * j + 1) / width - 1, (2 * i + 1) / height - 1, 1.0])
            x, y = (matrix.double() @ position.double())[:2].tolist()
            x = min(max(reflect(((x + 1) * width - 1) / 2, width), 0), width - 1)
            y = min(max(reflect(((y + 1) * height - 1) / 2, height), 0), height - 1)
            for row in (math.floor(y), math.floor(y) + 1):
                for column in (math.floor(x), math.floor(x) + 1):
                    share = (1 - abs(y - row)) * (1 - abs(x - column))
                    if share > 0 and row < height and column < width:
                        out[:, i, j] += share * image[:, row, column]
    return out
