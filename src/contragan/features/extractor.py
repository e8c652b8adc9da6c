"""Feature extractors: images in [0, 255] in, float32 features out, the whole protocol stated."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from contragan.core.errors import UserError

Resize = Literal["bicubic-antialias", "bilinear-antialias", "bilinear", "tf-bilinear"]
Precision = Literal["float32", "bfloat16"]
Images = UInt8[Tensor, "B C H W"] | Float[Tensor, "B C H W"]

CPU_CHUNK = 8
"""Images per forward pass on a CPU: activations then stay in cache, 3 times faster than 64."""


class Features(NamedTuple):
    """``features`` (B, D) float32, and ``logits`` (B, K) where the network has a classifier."""

    features: Tensor
    logits: Tensor | None


class FeatureExtractor(ABC):
    """Maps images (B, C, H, W) to features; each image's features depend on it alone.

    Images are uint8, or float in [0, 255] where they are not to be rounded.
    """

    name: str
    dim: int
    device: torch.device

    @abstractmethod
    def protocol(self) -> dict[str, Any]:
        """Everything that the features depend on, as JSON values."""

    @abstractmethod
    def __call__(self, images: Images) -> Features:
        """Features of the images, on the extractor's device."""


def resize_images(
    images: Float[Tensor, "B C H W"], size: int, method: Resize
) -> Float[Tensor, "B C S S"]:
    """Square images of side ``size``, in float and never rounded.

    ``bicubic-antialias`` is Pillow's filter, clamped to [0, 255] where it overshoots (Parmar et al.
    2022, "clean-fid"); ``tf-bilinear`` is TensorFlow 1's, which samples at corners: the one of the
    original FID; ``bilinear`` is pytorch-fid's.
    """
    if images.shape[-2:] == (size, size):
        return images
    if method == "tf-bilinear":
        # Output i samples at i * (input / output). Corner-aligned sampling of one more pixel on
        # both sides, the input's being a copy of its last, steps by exactly that.
        padded = F.pad(images, (0, 1, 0, 1), mode="replicate")
        larger = (size + 1, size + 1)
        sampled = F.interpolate(padded, size=larger, mode="bilinear", align_corners=True)
        return sampled[..., :size, :size]
    if method == "bicubic-antialias":
        resized = F.interpolate(images, size=(size, size), mode="bicubic", antialias=True)
        return resized.clamp_(0, 255)
    antialias = method == "bilinear-antialias"
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=antialias)


def checksum(network: nn.Module) -> str:
    """The first 16 hexadecimal digits of SHA-256 over the parameters and buffers, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class NetworkExtractor(FeatureExtractor):
    """Features of a network whose forward maps (B, 3, S, S) to features (B, D) and logits or None.

    Images are resized to ``input_size``, then scaled as ``(x - shift) / scale`` per channel, with
    x in [0, 255]. One-channel images are repeated to three.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        *,
        dim: int,
        input_size: int,
        resize: Resize,
        shift: tuple[float, float, float],
        scale: tuple[float, float, float],
        weights: str,
        device: torch.device | str = "cpu",
        precision: Precision = "float32",
    ) -> None:
        self.name, self.dim = name, dim
        self.input_size, self.resize, self.precision = input_size, resize, precision
        self.device = torch.device(device)
        network.eval().requires_grad_(False)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        self._weights, self._shift_scale = weights, (shift, scale)
        self.shift = torch.tensor(shift, device=self.device).view(3, 1, 1)
        self.scale = torch.tensor(scale, device=self.device).view(3, 1, 1)

    def protocol(self) -> dict[str, Any]:
        shift, scale = self._shift_scale
        facts = {
            "extractor": self.name,
            "dim": self.dim,
            "resize": self.resize,
            "input_size": self.input_size,
            "normalisation": {"shift": list(shift), "scale": list(scale)},
            "weights": self._weights,
            "precision": self.precision,
        }
        # Version 0.1.0 did not clamp: its scores and cached statistics lack this entry.
        return facts | ({"clamped": True} if self.resize == "bicubic-antialias" else {})

    def prepare(self, images: Images) -> Float[Tensor, "B 3 S S"]:
        """The network's input for images in [0, 255]."""
        pixels = images.to(self.device).float()
        resized = resize_images(pixels, self.input_size, self.resize)
        normalised = (resized - self.shift).div_(self.scale)  # broadcasts one channel to three
        return normalised.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, images: Images) -> Features:
        _check_images(images)
        size = CPU_CHUNK if self.device.type == "cpu" else len(images)
        parts = [self._forward(chunk) for chunk in torch.split(images, max(1, size))]
        logits = [part.logits for part in parts if part.logits is not None]
        features = torch.cat([part.features for part in parts])
        return Features(features, torch.cat(logits) if logits else None)

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """How the network computes: in ``precision``, and never in TensorFloat-32."""
        # TensorFloat-32 would change features in the third digit on the GPUs that have it.
        with (
            torch.backends.cudnn.flags(
                enabled=True, benchmark=False, deterministic=False, allow_tf32=False
            ),
            torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"),
        ):
            yield

    def _forward(self, images: Tensor) -> Features:
        ready = self.prepare(images)
        with self.arithmetic():
            features, logits = self.network(ready)
        return Features(features.float(), None if logits is None else logits.float())


class PixelExtractor(FeatureExtractor):
    """The pixels themselves in [0, 1], flattened: for digits, tests and small images."""

    def __init__(
        self, image_shape: tuple[int, int, int], device: torch.device | str = "cpu"
    ) -> None:
        self.name = "pixels"
        self.image_shape = image_shape
        self.dim = image_shape[0] * image_shape[1] * image_shape[2]
        self.device = torch.device(device)

    def protocol(self) -> dict[str, Any]:
        return {
            "extractor": "pixels",
            "dim": self.dim,
            "resize": None,
            "input_size": list(self.image_shape),
            "normalisation": "x / 255",
            "weights": None,
            "precision": "float32",
        }

    def __call__(self, images: Images) -> Features:
        _check_images(images)
        if tuple(images.shape[1:]) != self.image_shape:
            raise UserError(
                f"images of {tuple(images.shape[1:])} (channels, height, width) where "
                f"{self.image_shape} was expected: compare images of one size"
            )
        return Features(images.to(self.device).flatten(1).float().div(255), None)


def _check_images(images: Tensor) -> None:
    known = images.dtype in {torch.uint8, torch.float32}
    if not known or images.ndim != 4 or images.shape[1] not in {1, 3}:
        raise ValueError(
            "expected uint8 or float32 images (B, 1 or 3, H, W) in [0, 255], got "
            f"{images.dtype} {tuple(images.shape)}"
        )
    if images.dtype == torch.float32 and len(images) and images.amin() < 0:
        raise ValueError("expected images in [0, 255], got values below 0: scale [-1, 1] first")
