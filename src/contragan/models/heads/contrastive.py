"""The conditional contrastive (2C) loss of ContraGAN, and the head that carries it."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from contragan.core.config import Config
from contragan.core.transforms import Transform
from contragan.core.types import DiscriminatorOutput, Terms
from contragan.models.heads.embedding import EmbeddingHead, EmbeddingSettings, Pairs, unit
from contragan.models.layers.factory import Layers

_CONTRADICTION = (
    "positives_in_numerator needs same_class_negatives: the numerator's samples must also stand in "
    "the denominator. Set same_class_negatives: true for Eq. 8, or positives_in_numerator: false"
)


class ConditionalContrastiveLoss(nn.Module):
    r"""Pulls each embedding to its class proxy, and pushes it from other samples of the batch.

    With s_ij the cosine of embeddings i and j over the temperature t, and p_i that of embedding i
    and its own proxy,

        loss_i = -log (exp p_i + sum_{k in N_i} exp s_ik) / (exp p_i + sum_{k in D_i} exp s_ik)

    - ``positives_in_numerator=True`` (Eq. 8, the 2C loss): N_i are the *other* samples of i's
      class, D_i all others. The paper prints k = i into the numerator; then the ratio could exceed
      1, so it is left out, as the authors' software does.
    - ``positives_in_numerator=False`` (Eq. 7): N_i is empty, D_i all others.
    - ``same_class_negatives=False`` as well: D_i are the samples of other classes only, the second
      reading of Eq. 7, and the denominator of D2D-CE.

    With augmented positives (APS), exp v_i joins exp p_i above and below, v_i the cosine over t of
    embedding i and that of a transformed copy of image i; without proxies it takes its place. The
    authors' software, and this head, have it in the D step only.

    Computed in float32 with log-sum-exp from one matrix product; never negative. Inputs are
    normalised here, so any embedding will do. Where several processes train together, each takes
    its own samples as i and all processes' samples as k.

    Source: Kang and Park 2020, Eqs. 7 and 8.

    Args:
        temperature: t > 0.
        positives_in_numerator: Eq. 8 where true, Eq. 7 where false.
        same_class_negatives: whether samples of i's own class stand in the denominator.

    Raises:
        ValueError: for a temperature that is not positive, or positives in the numerator that are
            absent from the denominator.
    """

    def __init__(
        self,
        temperature: float = 1.0,
        *,
        positives_in_numerator: bool = True,
        same_class_negatives: bool = True,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, not {temperature}")
        if positives_in_numerator and not same_class_negatives:
            raise ValueError(_CONTRADICTION)
        self.temperature = temperature
        self.positives_in_numerator = positives_in_numerator
        self.same_class_negatives = same_class_negatives

    def forward(
        self,
        embedding: Float[Tensor, "B E"],
        proxy: Float[Tensor, "B E"] | None,
        label: Int[Tensor, " B"],
        view: Float[Tensor, "B E"] | None = None,
        *,
        temperature: Float[Tensor, ""] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean loss over the batch.

        Args:
            embedding: of the images.
            proxy: of each image's own class, unless ``view`` takes its place.
            label: class indices.
            view: embedding of each image's transformed copy, for augmented positives.
            temperature: in place of the loss's own.

        Raises:
            ValueError: neither ``proxy`` nor ``view`` is given.
        """
        partners = [partner for partner in (proxy, view) if partner is not None]
        if not partners:
            raise ValueError("give proxy, view or both: without them there is nothing to pull to")
        with torch.autocast(embedding.device.type, enabled=False):
            pairs = Pairs(embedding, label)
            own = torch.stack([(unit(embedding) * unit(other)).sum(1) for other in partners], dim=1)
            t = self.temperature if temperature is None else temperature
            own, similarity = own / t, pairs.cosine / t
            excluded = pairs.is_self if self.same_class_negatives else pairs.same_class
            denominator = _log_sum_exp(own, similarity.masked_fill(excluded, -torch.inf))
            if self.positives_in_numerator:
                numerator = _log_sum_exp(own, similarity.masked_fill(~pairs.positive, -torch.inf))
            else:
                numerator = torch.logsumexp(own, dim=1)
            return (denominator - numerator).mean()


def _log_sum_exp(first: Float[Tensor, "B P"], rest: Float[Tensor, "B N"]) -> Tensor:
    """log(sum exp first + sum exp rest), where a whole row of ``rest`` may be -inf."""
    return torch.logsumexp(torch.cat([first, rest], dim=1), dim=1)


class AugmentedPositives(Config):
    """APS: a transformed copy of each image as a positive (Kang and Park 2020, Sec. 4.6).

    ``proxy`` keeps the class proxy beside it, as the authors' software does; the copies then stand
    in the D step only. False puts the copy in the proxy's place, as the paper's text says, in both
    steps: G's loss would otherwise have nothing to pull an image to. ``transform`` is how a real
    image is copied; the paper's experiments have ``indexed``.
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

    ``weight`` times the cross-entropy of the softmax over all classes' proxies of cosine over
    ``temperature``. Eq. 8's ratio can be made small by gathering a label's samples anywhere; this
    term can only be made small at the right proxy, and leaves the data-to-data relations as they
    are.
    """

    weight: float = Field(gt=0)
    temperature: float = Field(gt=0)


class ContrastiveConfig(EmbeddingSettings):
    """Settings of :class:`ContrastiveHead`."""

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
            raise ValueError(_CONTRADICTION)
        positives = self.augmented_positives
        if self.proxy_classification and positives and not positives.proxy:
            raise ValueError(
                "proxy_classification needs class proxies, which augmented_positives with "
                "proxy: false takes away: set augmented_positives.proxy=true, or leave one out"
            )
        return self

    def build(self, feature_dim: int, num_classes: int, layers: Layers) -> ContrastiveHead:
        loss = ConditionalContrastiveLoss(
            self.temperature,
            positives_in_numerator=self.positives_in_numerator,
            same_class_negatives=self.same_class_negatives,
        )
        return ContrastiveHead(
            feature_dim,
            num_classes,
            layers,
            embedding_dim=self.embedding_dim,
            projection_head=self.projection_head,
            loss=loss,
            weight=self.weight,
            augmented_positives=self.augmented_positives,
            proxy_classification=self.proxy_classification,
            initial_temperature=self.initial_temperature,
        )


class ContrastiveHead(EmbeddingHead):
    """Image and class embeddings on one unit sphere, trained with the conditional contrastive loss.

    Source: Kang and Park 2020, Sec. 3.2 and Algorithm 1.
    """

    def __init__(
        self,
        feature_dim: int,
        num_classes: int,
        layers: Layers,
        *,
        embedding_dim: int,
        loss: ConditionalContrastiveLoss,
        projection_head: Literal["linear", "mlp"] = "linear",
        weight: float = 1.0,
        augmented_positives: AugmentedPositives | None = None,
        proxy_classification: ProxyClassification | None = None,
        initial_temperature: InitialTemperature | None = None,
    ) -> None:
        super().__init__(
            feature_dim,
            num_classes,
            layers,
            embedding_dim=embedding_dim,
            projection_head=projection_head,
            weight=weight,
            proxies=augmented_positives is None or augmented_positives.proxy,
        )
        self.loss = loss
        if augmented_positives is not None:
            self.needs_view, self.view_transform = True, augmented_positives.transform
        self.needs_generated_view = self.embedding is None
        self.proxy_classification = proxy_classification
        self.initial_temperature = initial_temperature
        start = None
        if initial_temperature is not None:
            start = torch.tensor(initial_temperature.temperature)
        self.register_buffer("temperature", start, persistent=False)
        self.temperature: Tensor | None

    def begin(self, iteration: int) -> None:
        if self.initial_temperature is None or self.temperature is None:
            return
        initial = self.initial_temperature
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
        if self.proxy_classification is not None:
            assert output.proxies is not None
            logits = output.embedding @ output.proxies.t() / self.proxy_classification.temperature
            terms["proxy_classification"] = self.proxy_classification.weight * F.cross_entropy(
                logits, output.label
            )
        return terms
