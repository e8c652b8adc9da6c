"""NT-Xent in place of 2C: each image against its own transformed copy; labels play no part."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from contragan.core.transforms import Transform
from contragan.losses.nt_xent import NTXentLoss
from contragan.models.heads.embedding import EmbeddingSettings


class NTXentConfig(EmbeddingSettings):
    """Trains with :class:`~contragan.losses.NTXentLoss`; ``augmentation`` makes the copies.

    ``transform`` is how a real image is copied; the paper's experiments have ``indexed``.
    """

    reads_labels: ClassVar[bool] = False

    kind: Literal["nt_xent"]
    temperature: float = Field(gt=0)
    augmentation: Literal["flip_shift"] | None
    transform: Transform = "random"

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
