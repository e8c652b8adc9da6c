"""The interface of augmentations. The base class itself changes nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from contragan.core.config import Config


class AugmentationSettings(Config, ABC):
    """Settings of an augmentation, and how to build it."""

    kind: str

    @abstractmethod
    def build(self, device: torch.device) -> Augmentation:
        """A new augmentation, with its state on ``device``."""


class Augmentation:
    """Changes real and generated images alike before the discriminator sees them.

    Differentiable in the images, so that the generator learns through it. This base class
    changes nothing.
    """

    capturable: ClassVar[bool] = True
    """Whether every update launches the same work on the device, whatever was observed."""

    def __call__(
        self, images: Float[Tensor, "B C H W"], random: torch.Generator
    ) -> Float[Tensor, "B C H W"]:
        """The augmented images, with ``random`` deciding how."""
        return images

    def observe(self, real_logit: Float[Tensor, " B"]) -> None:
        """Take note of D's logits of augmented real images, once per part of a D update."""

    def adapt(self) -> None:
        """Adapt to what was observed, once per D update."""

    def readings(self) -> dict[str, float]:
        """What to log and show of the state, by name; reads it from the device."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next update depends on: tensors and plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state_dict` was made."""
