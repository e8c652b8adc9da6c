"""ContraGAN's head: image and class embeddings on one unit sphere, trained with the 2C loss."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from contragan.core.config import Config
from contragan.core.transforms import Transform
from contragan.core.types import DiscriminatorOutput, Terms
from contragan.losses.contrastive import CONTRADICTION, ConditionalContrastiveLoss
from contragan.losses.proxies import ProxyClassificationLoss
from contragan.models.heads.embedding import EmbeddingHead, EmbeddingSettings
from contragan.models.layers.factory import Layers


class AugmentedPositives(Config):
    """APS: a transformed copy of each image as a positive (Kang and Park 2020, Sec. 4.6)."""

    proxy: bool
    """Whether the class proxy stays beside the copy, as in the authors' software, which has copies
    in the D step only. With false the copy takes the proxy's place, as the paper's text says, in
    both steps: G's loss would otherwise have nothing to pull an image to."""
    transform: Transform = "random"
    """How a real image is copied: drawn anew each time (random), or fixed by its index (indexed,
    the paper's experiments)."""


class InitialTemperature(Config):
    """Another temperature for the first iterations."""

    temperature: float = Field(gt=0)
    """The temperature at first; the authors' settings of October 2020 have 2."""
    iterations: int = Field(gt=0)
    """For how many iterations; the authors' settings of October 2020 have half of the training."""


class ProxyClassification(Config):
    """A second term that ties each image to its own class's proxy: the remedy for permuted labels.

    ``weight`` times :class:`~contragan.losses.ProxyClassificationLoss`.
    """

    weight: float = Field(gt=0)
    """Factor of the second term."""
    temperature: float = Field(gt=0)
    """Its temperature."""


class ContrastiveConfig(EmbeddingSettings):
    """The conditional contrastive (2C) loss of ContraGAN.

    See :class:`~contragan.losses.ConditionalContrastiveLoss`.
    """

    kind: Literal["contrastive"]
    temperature: float = Field(gt=0)
    """Cosines are divided by this: the lower, the more the nearest samples decide."""
    initial_temperature: InitialTemperature | None = None
    """Another temperature for the first iterations; null for none."""
    positives_in_numerator: bool
    """true: Eq. 8, samples of one class attract each other, and classes may get mixed; false: Eq.
    7, each sample is attracted by its class proxy alone."""
    same_class_negatives: bool
    """Whether samples of the same class stay in the denominator, as in the paper's equations."""
    augmented_positives: AugmentedPositives | None = None
    """APS: a transformed copy of each image as a positive; null for none."""
    proxy_classification: ProxyClassification | None = None
    """A second term that ties each image to its own class's proxy; null for none."""

    @model_validator(mode="after")
    def _possible(self) -> ContrastiveConfig:
        if self.positives_in_numerator and not self.same_class_negatives:
            raise ValueError(CONTRADICTION)
        positives = self.augmented_positives
        if self.proxy_classification and positives and not positives.proxy:
            raise ValueError(
                "proxy_classification needs class proxies, which augmented_positives with "
                "proxy: false takes away: set augmented_positives.proxy=true, or leave one out"
            )
        return self

    def loss(self) -> ConditionalContrastiveLoss:
        return ConditionalContrastiveLoss(
            self.temperature,
            positives_in_numerator=self.positives_in_numerator,
            same_class_negatives=self.same_class_negatives,
        )

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> ContrastiveHead:
        return ContrastiveHead(feature_dim, num_classes, layers, self)


class ContrastiveHead(EmbeddingHead):
    """An :class:`EmbeddingHead` with what ContraGAN's variants add: APS, and a second term.

    Source: Kang and Park 2020, Sec. 3.2 and Algorithm 1.
    """

    settings: ContrastiveConfig
    loss: ConditionalContrastiveLoss

    def __init__(
        self, feature_dim: int, num_classes: int, layers: Layers, settings: ContrastiveConfig
    ) -> None:
        views, second = settings.augmented_positives, settings.proxy_classification
        super().__init__(
            feature_dim, num_classes, layers, settings, proxies=views is None or views.proxy
        )
        if views is not None:
            self.needs_view, self.view_transform = True, views.transform
        self.needs_generated_view = self.embedding is None
        self.second = None if second is None else ProxyClassificationLoss(second.temperature)
        initial = settings.initial_temperature
        start = None if initial is None else torch.tensor(initial.temperature)
        self.register_buffer("temperature", start, persistent=False)
        self.temperature: Tensor | None

    def begin(self, iteration: int) -> None:
        initial = self.settings.initial_temperature
        if initial is None or self.temperature is None:
            return
        early = iteration < initial.iterations
        self.temperature.fill_(initial.temperature if early else self.loss.temperature)

    def embedding_loss(self, output: DiscriminatorOutput) -> Terms:
        assert output.embedding is not None
        contrastive = self.loss(
            output.embedding,
            output.proxy,
            output.label,
            output.view,
            temperature=self.temperature,
        )
        terms = {"contrastive": contrastive}
        if self.second is not None and self.settings.proxy_classification is not None:
            loss = self.second(output.embedding, output.proxies, output.label)
            terms["proxy_classification"] = self.settings.proxy_classification.weight * loss
        return terms
