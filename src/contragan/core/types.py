"""Shared types, and the one legend of tensor dimensions.

B batch, K classes, Z latent, D feature, E embedding, C channels, H height, W width.

Images inside the package are float in [-1, 1], shaped (B, C, H, W). They become uint8 only at the
metrics boundary and in files, through :func:`to_uint8`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

Terms = dict[str, Tensor]
"""Named scalar loss terms: the loss is their sum and the keys are the names in the log."""


@dataclass(frozen=True)
class Batch:
    """Labelled images: ``images`` (B, C, H, W) in [-1, 1], ``labels`` (B,) class indices.

    ``index`` (B,) says which image of its data set each real image is.
    """

    images: Float[Tensor, "B C H W"]
    labels: Int[Tensor, " B"]
    index: Int[Tensor, " B"] | None = None


_NOT_OF_SAMPLES = {"proxies"}


@dataclass(frozen=True)
class DiscriminatorOutput:
    """What a discriminator says of a batch; a field is None where the conditioning lacks it.

    Attributes:
        logit: (B,) the score of authenticity, higher for real.
        label: (B,) the labels that the images were judged with.
        embedding: (B, E) of the images, of length 1.
        proxy: (B, E) the embedding of each image's own label, of length 1.
        class_logits: (B, K) an auxiliary classifier's scores of all classes.
        view: (B, E) the embedding of a transformed copy of each image.
        proxies: (K, E) the embeddings of all classes, of length 1.

    Example:
        >>> import torch
        >>> import contragan
        >>> gan = contragan.build(contragan.load_recipe("digits/contragan"), num_classes=10, seed=0)
        >>> output = gan.discriminator(torch.zeros(2, 1, 16, 16), torch.tensor([3, 5]))
        >>> output.embedding.shape, output.proxies.shape
        (torch.Size([2, 128]), torch.Size([10, 128]))
    """

    logit: Float[Tensor, " B"]
    label: Int[Tensor, " B"]
    embedding: Float[Tensor, "B E"] | None = None
    proxy: Float[Tensor, "B E"] | None = None
    class_logits: Float[Tensor, "B K"] | None = None
    view: Float[Tensor, "B E"] | None = None
    proxies: Float[Tensor, "K E"] | None = None

    def __repr__(self) -> str:
        shapes = {field.name: getattr(self, field.name) for field in fields(self)}
        found = [f"{name} {tuple(one.shape)}" for name, one in shapes.items() if one is not None]
        return f"DiscriminatorOutput({', '.join(found)})"

    def split(self, size: int) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        """The first ``size`` samples and the rest, for real and fake that shared one pass."""
        first: dict[str, Tensor | None] = {}
        rest: dict[str, Tensor | None] = {}
        for field in fields(self):
            value: Tensor | None = getattr(self, field.name)
            if value is None or field.name in _NOT_OF_SAMPLES:
                first[field.name] = rest[field.name] = value
            else:
                first[field.name], rest[field.name] = value[:size], value[size:]
        return DiscriminatorOutput(**first), DiscriminatorOutput(**rest)  # type: ignore[arg-type]


ONE_LEVEL = 1 / 127.5
"""One of 255 levels in images in [-1, 1]: what differs by less is the same image."""


def to_uint8(images: Float[Tensor, "B C H W"]) -> UInt8[Tensor, "B C H W"]:
    """Images in [-1, 1] as uint8 in [0, 255], rounded to nearest and clamped."""
    return to_levels(images).round().to(torch.uint8)


def to_levels(images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Images in [-1, 1] as float32 in [0, 255], clamped and not rounded."""
    return images.float().add(1).mul(127.5).clamp(0, 255)


def from_uint8(images: UInt8[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """uint8 images as float32 in [-1, 1]: the inverse of :func:`to_uint8`."""
    return images.float().div(127.5).sub(1)
