"""NT-Xent in place of 2C: each image against its own transformed copy; labels play no part."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from contragan.core.transforms import Transform
from contragan.losses.nt_xent import NTXentLoss
from contragan.models.heads.embedding import EmbeddingSettings


class NTXentConfig(EmbeddingSettings):
    """NT-Xent (Eq. 6): each image is compared with its copy; D sees no labels.

    See :class:`~contragan.losses.NTXentLoss`.
    """

    reads_labels: ClassVar[bool] = False

    kind: Literal["nt_xent"]
    temperature: float = Field(gt=0)
    """Cosines are divided by this."""
    augmentation: Literal["flip_shift"] | None
    """What makes the copies that images are compared with."""
    transform: Transform = "random"
    """How a real image is copied: drawn anew each time (random), or fixed by its index (indexed,
    the paper's experiments)."""

    @model_validator(mode="after")
    def _augmented(self) -> NTXentConfig:
        if self.augmentation is None:
            raise ValueError(
                "NT-Xent compares each image with a transformed copy of itself; without "
                "augmentation both are the same and nothing is learnt. Set augmentation: flip_shift"
            )
        return self

    @property
    def view_transform(self) -> Transform:
        return self.transform

    def loss(self) -> NTXentLoss:
        return NTXentLoss(self.temperature)
