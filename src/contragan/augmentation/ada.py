"""ADA: as much augmentation as the discriminator's overfitting asks for."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
import torch.distributed as dist
from pydantic import Field
from torch import Tensor

from contragan.augmentation.base import Augmentation, AugmentationSettings
from contragan.augmentation.random_transforms import (
    Chance,
    blit,
    color,
    geometry,
    recolor,
    resample,
)
from contragan.core.processes import world_size

Group = Literal["blit", "geometry", "color"]


class AdaptiveConfig(AugmentationSettings):
    """ADA: transformations whose probability follows how much the discriminator overfits."""

    resamples: ClassVar[bool] = True

    kind: Literal["ada"]
    groups: tuple[Group, ...] = Field(min_length=1)
    """Kinds of transformation: blit (mirroring, quarter turns, shifts), geometry, color. Images
    whose sides differ get half turns instead of quarter turns."""
    target: float = Field(gt=0, lt=1)
    """The overfitting, mean sign of D's logits on real images, that the probability is steered
    to."""
    ramp_images: int = Field(gt=0)
    """Images in which the probability can go from 0 to 1."""
    interval: int = Field(gt=0)
    """D updates between two changes of the probability."""

    def build(self, device: torch.device) -> AdaptiveAugmentation:
        return AdaptiveAugmentation(self, device)


class AdaptiveAugmentation(Augmentation):
    """Applies every transformation with probability p, and steers p by the discriminator.

    The statistic is r = E sign(D(x)) over real images of the last ``interval`` D updates, of all
    processes: near 0 without overfitting, 1 where D is sure of every training image. p starts at
    0 and rises where r exceeds ``target``, else falls, so fast that ``ramp_images`` images take it
    from 0 to 1. It stays on the device.

    Source: Karras et al. 2020 (StyleGAN2-ADA), Sec. 3 and Appendix B.
    """

    capturable = False

    def __init__(self, config: AdaptiveConfig, device: torch.device) -> None:
        self.config = config
        self.probability = torch.zeros((), device=device)
        self._part = torch.zeros(2, device=device)
        self._observed = torch.zeros(2, device=device)
        self._updates = 0

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        chance = Chance(len(images), self.probability, random)
        height, width = images.shape[-2:]
        moves = {"blit": blit, "geometry": geometry}
        chosen = [moves[n](chance, height, width) for n in self.config.groups if n in moves]
        if chosen:
            matrix = chosen[0]
            for further in chosen[1:]:
                matrix = matrix @ further
            images = resample(images, matrix)
        if "color" in self.config.groups:
            images = recolor(images, color(chance))
        return images

    @torch.no_grad()
    def observe(self, real_logit: Tensor) -> None:
        signs = real_logit.detach().float().sign()
        self._part += torch.stack([signs.sum(), torch.ones_like(signs).sum()])

    @torch.no_grad()
    def adapt(self) -> None:
        # Shared at every update, so that one process's state is everyone's in a checkpoint.
        if world_size() > 1:
            dist.all_reduce(self._part)
        self._observed += self._part
        self._part.zero_()
        self._updates += 1
        if self._updates % self.config.interval:
            return
        total, count = self._observed
        direction = (total / count - self.config.target).sign()
        self.probability += direction * count / self.config.ramp_images
        self.probability.clamp_(0, 1)
        self._observed.zero_()

    def readings(self) -> dict[str, float]:
        return {"probability": float(self.probability)}

    def state_dict(self) -> dict[str, Any]:
        return {
            "probability": self.probability.cpu().clone(),
            "observed": self._observed.cpu().clone(),
            "updates": self._updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.probability.copy_(state["probability"])
        self._observed.copy_(state["observed"])
        self._updates = state["updates"]
