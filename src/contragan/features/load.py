"""Extractors by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import torch

from contragan.core.errors import UserError
from contragan.features import networks
from contragan.features.extractor import FeatureExtractor, PixelExtractor, Precision, Resize


def load_extractor(
    name: str,
    *,
    device: torch.device | str = "cpu",
    weights: Path | None = None,
    resize: Resize | None = None,
    precision: Precision = "float32",
    image_shape: tuple[int, int, int] | None = None,
) -> FeatureExtractor:
    """The extractor called ``name``: ``efficientnet-lite0``, ``inception``, ``timm:<model>``,
    ``pixels``.

    ``resize`` replaces the extractor's own way of resizing, which is otherwise part of its name's
    meaning. ``weights`` names a file for ``inception`` and ``timm``. ``image_shape`` (C, H, W) is
    what ``pixels`` needs. UserError where the name is unknown or the weights cannot be had.
    """
    if resize is not None and resize not in get_args(Resize):
        raise UserError(f"unknown resize {resize!r}: choose from {', '.join(get_args(Resize))}")
    if name == "pixels":
        if image_shape is None:
            raise UserError("the pixels extractor needs the shape of the images")
        if weights is not None:
            raise UserError("the pixels extractor has no weights: leave out --weights")
        return PixelExtractor(image_shape, device)
    makers: dict[str, Callable[..., FeatureExtractor]] = {
        "efficientnet-lite0": networks.efficientnet_lite0,
        "inception": networks.inception,
    }
    if name.startswith("timm:"):
        return networks.timm_model(
            name, device=device, weights=weights, resize=resize, precision=precision
        )
    if name not in makers:
        known = ", ".join([*makers, "timm:<model>", "pixels"])
        raise UserError(f"unknown features {name!r}: choose from {known}")
    return makers[name](device=device, weights=weights, resize=resize, precision=precision)
