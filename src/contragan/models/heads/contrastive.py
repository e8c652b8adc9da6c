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
    """APS: a transformed copy of each image as a positive (Kang and Park 2020, Sec. 4.6).

    ``proxy`` keeps the class proxy beside it, as the authors' software does; the copies are then
    used in the D step only. False puts the copy in the proxy's place, as the paper's text says, in
    both steps: G's loss would otherwise have nothing to pull an image to. ``transform`` is how a
    real image is copied; the paper's experiments have ``indexed``.
    """

    proxy: bool
    transform: Transform = "random"


class InitialTemperature(Config):
    """Another ``temperature`` for the first ``iterations`` iterations.

    The authors' settings of October 2020 have 2 for the first half of the training, then 1.
    """

    temperature: float = Field(gt=0)
    iterations: int = Field(gt=0)


class ProxyClassification(Config):
    """A second term that ties each image to its own class's proxy: the remedy for permuted labels.

    ``weight`` times :class:`~contragan.losses.ProxyClassificationLoss`.
    """

    weight: float = Field(gt=0)
    temperature: float = Field(gt=0)


class ContrastiveConfig(EmbeddingSettings):
    """Trains with :class:`~contragan.losses.ConditionalContrastiveLoss`."""

    kind: Literal["contrastive"]
    temperature: float = Field(gt=0)
    initial_temperature: InitialTemperature | None = None
    positives_in_numerator: bool
    same_class_negatives: bool
    augmented_positives: AugmentedPositives | None = None
    proxy_classification: ProxyClassification | None = None

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
