"""The settings of a drafted recipe, and its text with the reasons beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from contragan.core.resolution import Resolution, height_width, spelled
from contragan.models.base import doublings
from contragan.recipes.schema import Recipe, parse_recipe

FEW_IMAGES = 30_000
"""Below so many training images the discriminator's overfitting is worked against."""


def widths(resolution: Resolution) -> tuple[int, ...]:
    """Channels to choose from at a resolution, the narrowest first."""
    if _side(resolution) >= 48:
        return 16, 32, 48, 64
    return (16, 32, 64, 96) if _side(resolution) >= 32 else (16, 32, 64)


def _side(resolution: Resolution) -> float:
    """The side of a square of as many pixels."""
    return math.sqrt(math.prod(height_width(resolution)))


def _quoted(text: str) -> str:
    """Text as YAML."""
    return json.dumps(text, ensure_ascii=False)


def _true(value: bool) -> str:
    """A truth value as YAML."""
    return str(value).lower()


@dataclass(frozen=True)
class Draft:
    """Everything that is decided of a recipe.

    ``reasons`` are comments, by the path of the setting that they explain. ``class_scores`` says
    whether classes, where there are any, are few enough to be judged one by one.
    """

    data: Path
    labelled: bool
    resolution: Resolution
    channels: int
    image_channels: int = 3
    enlarge: bool = False
    mirror: bool = False
    few_images: bool = False
    batch_size: int = 64
    balanced: bool = False
    iterations: int = 10_000
    evaluations: int = 5
    num_images: int = 2000
    reference: Literal["train", "test"] = "train"
    probe_images: int = 10_000
    class_scores: bool = True
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def judges_classes(self) -> bool:
        """Whether evaluations score classes."""
        return self.labelled and self.class_scores

    @property
    def augmentation(self) -> str:
        """As a recipe has it."""
        if not self.few_images:
            return "null"
        if not self.mirror:  # of its transformations none turns an image round
            return "{kind: diff_augment, policy: [color, translation, cutout]}"
        ramp = max(self.iterations * self.batch_size // 5, 20_000)
        ramp = min(ramp, 500_000)
        return (
            f"{{kind: ada, groups: [blit, geometry, color], target: 0.6, ramp_images: {ramp}, "
            "interval: 4}"
        )

    def recipe(self) -> Recipe:
        """The recipe that the text holds."""
        return parse_recipe(self.text(), "the drafted recipe")

    def text(self) -> str:
        """The recipe's file."""
        parts = (
            f"description: {_quoted(self._description())}\n",
            self._data(),
            self._networks(),
            self._losses(),
            self._training(),
            self._evaluation(),
        )
        return "".join(f"{line}\n" for line in self._explained("".join(parts).splitlines()))

    def _data(self) -> str:
        return f"""\
data:
  kind: folder
  path: {_quoted(str(self.data))}
  resolution: {self.resolution}
  channels: {self.image_channels}
  horizontal_flip: {_true(self.mirror)}
  fake_labels: training
  sampling: {"balanced" if self.balanced else "natural"}
  test_fraction: 0.1
{"  enlarge: true" if self.enlarge else ""}
"""

    def _networks(self) -> str:
        blocks, side = doublings(self.resolution), _side(self.resolution)
        parts = blocks + 1
        attention = side >= 64 and self.channels >= 32
        # At 64 x 64 at most: attention's cost grows with the fourth power of the side.
        halvings = max(math.ceil(math.log2(side / 64)), 1)
        return f"""\
generator:
  kind: biggan
  latent_dim: {parts * max(120 // parts, 16) if side > 64 else parts * 20}
  shared_dim: 128
  channels: {self.channels}
  spectral_norm: true
  attention_after_block: {blocks - halvings if attention else "null"}
  conditional: {_true(self.labelled)}
  batch_norm_eps: 1.0e-5
  batch_norm_momentum: 0.1
  conditional_batch_norm_momentum: 0.1
discriminator:
  kind: biggan
  channels: {self.channels}
  spectral_norm: true
  attention_after_block: {halvings if attention else "null"}
  relu_before_shortcut: true
  normalization: none
"""

    def _losses(self) -> str:
        conditioning = "  kind: unconditional"
        if self.labelled:
            conditioning = f"""\
  kind: contrastive
  embedding_dim: {128 if self.channels < 32 else 512}
  temperature: 1.0
  weight: 1.0
  positives_in_numerator: false
  same_class_negatives: true
  projection_head: linear"""
        return f"""\
conditioning:
{conditioning}
adversarial: {{kind: hinge}}
regularizers: []
augmentation: {self.augmentation}
"""

    def _training(self) -> str:
        every = max(self.iterations // 20, min(50, self.iterations))
        # The moving average begins early enough to forget the first steps.
        warm = min(1000, max(self.iterations // 10, 1))
        return f"""\
training:
  total_iterations: {self.iterations}
  batch_size: {self.batch_size}
  accumulation_steps: 1
  discriminator_steps: 1
  discriminator_optimizer: {{learning_rate: 4.0e-4, beta1: 0.0, beta2: 0.999, eps: 1.0e-6}}
  generator_optimizer: {{learning_rate: 1.0e-4, beta1: 0.0, beta2: 0.999, eps: 1.0e-6}}
  ema: {{decay: 0.999, start_iteration: {warm}}}
  precision: bf16
  log_every_iterations: {min(100, every)}
  sample_every_iterations: {every}
  checkpoint_every_iterations: {every}
  evaluate_every_iterations: {-(-self.iterations // self.evaluations)}
  evaluate_at_start: false
"""

    def _evaluation(self) -> str:
        metrics = ["frechet_distance", "class_fidelity", "precision_recall"]
        if not self.judges_classes:
            metrics.remove("class_fidelity")
        return f"""\
evaluation:
  features: efficientnet-lite0
  num_images: {self.num_images}
  reference: {self.reference}
  batch_norm: running
  labels: {"uniform" if self.balanced else "reference"}
  metrics: [{", ".join(metrics)}]
  probe_images: {self.probe_images}
reference:
  paper: Kang and Park 2020, ContraGAN (NeurIPS)
  note: "written by contragan init for these images and this machine"
"""

    def _description(self) -> str:
        method = "ContraGAN with Eq. 7" if self.labelled else "an unconditional GAN"
        return f"{method} on {self.data.name or self.data}, {spelled(self.resolution)}"

    def _explained(self, lines: list[str]) -> Iterator[str]:
        """The lines with their reasons, those without content left out."""
        section = ""
        for line in lines:
            key = line.strip().partition(":")[0]
            if not line.startswith(" "):
                section = key
            reason = self.reasons.get(key if section == key else f"{section}.{key}")
            if line.strip():
                yield line if reason is None else f"{line}  # {reason}"
