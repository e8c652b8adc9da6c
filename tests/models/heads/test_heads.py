"""What heads say of a feature and what they make of it, against their formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from two_process_work import CONDITIONINGS

from contragan.core.types import DiscriminatorOutput
from contragan.models.heads import Conditioning
from contragan.models.heads.auxiliary_classifier import AuxiliaryClassifierConfig
from contragan.models.heads.base import ConditioningSettings
from contragan.models.heads.projection import ProjectionConfig
from contragan.models.layers.factory import Layers

FEATURES, CLASSES, COUNT = 6, 3, 5
LABEL = torch.tensor([0, 2, 1, 2, 0])
SETTINGS: dict[str, ConditioningSettings] = {
    **CONDITIONINGS,
    "auxiliary classifier": AuxiliaryClassifierConfig(
        kind="auxiliary_classifier", weight=0.7, classify_generated=True
    ),
    "projection": ProjectionConfig(kind="projection"),
}


def head_of(name: str) -> Conditioning:
    torch.manual_seed(0)
    return SETTINGS[name].build(FEATURES, CLASSES, Layers())


def features(seed: int) -> Tensor:
    return torch.randn(COUNT, FEATURES, generator=torch.Generator().manual_seed(seed)) * 2


def said(head: Conditioning, seed: int, label: Tensor = LABEL) -> DiscriminatorOutput:
    output: DiscriminatorOutput = head(features(seed), label)
    view = head(features(seed + 100), label).embedding if head.needs_view else None
    return DiscriminatorOutput(**{**vars(output), "view": view})


def of_length_one(rows: Tensor) -> Tensor:
    return torch.stack([row / row.square().sum().sqrt() for row in rows])


@pytest.mark.parametrize("name", CONDITIONINGS)
def test_embeddings_are_rows_of_length_one(name: str) -> None:
    head = head_of(name)
    output = said(head, 1)
    expected = features(1) @ head.projection.weight.t() + head.projection.bias  # type: ignore[union-attr, operator]
    torch.testing.assert_close(output.embedding, of_length_one(expected))
    logit = features(1) @ head.adversarial.weight[0] + head.adversarial.bias
    torch.testing.assert_close(output.logit, logit)
    if output.proxies is not None:
        proxies = of_length_one(head.embedding.weight)  # type: ignore[union-attr, arg-type]
        torch.testing.assert_close(output.proxies, proxies)
        torch.testing.assert_close(output.proxy, proxies[LABEL])


def test_projection_joins_the_logit() -> None:
    head = head_of("projection")
    plain = features(1) @ head.adversarial.weight[0] + head.adversarial.bias
    own = head.embedding.weight[LABEL]  # type: ignore[union-attr, index]
    inner = torch.stack([sum(a * b) for a, b in zip(own, features(1), strict=True)])
    torch.testing.assert_close(said(head, 1).logit, plain + inner)


def test_the_classifier_reads_real_images_and_generated_ones_where_asked() -> None:
    head = head_of("auxiliary classifier")
    real, fake = said(head, 1), said(head, 2, LABEL.flip(0))

    def cross_entropy(seed: int, label: Tensor) -> Tensor:
        shares = head.classifier(features(seed)).exp()  # type: ignore[operator]
        value: Tensor = -0.7 * (shares[torch.arange(COUNT), label] / shares.sum(1)).log().mean()
        return value

    on_real, on_fake = cross_entropy(1, LABEL), cross_entropy(2, LABEL.flip(0))
    terms = head.discriminator_loss(real, fake)
    torch.testing.assert_close(torch.stack(list(terms.values())).sum(), on_real + on_fake)
    (term,) = head.generator_loss(fake).values()
    torch.testing.assert_close(term, on_fake)
    only_real = AuxiliaryClassifierConfig(
        kind="auxiliary_classifier", weight=0.7, classify_generated=False
    ).build(FEATURES, CLASSES, Layers())
    only_real.load_state_dict(head.state_dict())
    (term,) = only_real.discriminator_loss(said(only_real, 1), said(only_real, 2)).values()
    torch.testing.assert_close(term, on_real)


@pytest.mark.parametrize("name", CONDITIONINGS)
def test_d_learns_classes_from_real_images_and_g_from_generated_ones(name: str) -> None:
    head = head_of(name)
    real, fake = said(head, 1), said(head, 2, LABEL.flip(0))
    torch.testing.assert_close(head.discriminator_loss(real, fake), head.generator_loss(real))
    torch.testing.assert_close(head.discriminator_loss(fake, real), head.generator_loss(fake))
    assert head.generator_loss(real) != head.generator_loss(fake)


@pytest.mark.parametrize("name", CONDITIONINGS)
def test_the_weight_scales_every_term(name: str) -> None:
    head, heavy = head_of(name), head_of(name)
    heavy.weight = 3 * heavy.weight  # type: ignore[assignment, operator]
    assert head.weight == 0.7
    for term, larger in zip(
        head.generator_loss(said(head, 1)).values(),
        heavy.generator_loss(said(heavy, 1)).values(),
        strict=True,
    ):
        torch.testing.assert_close(larger, 3 * term)
        assert term.abs() > 1e-3


@pytest.mark.parametrize("name", SETTINGS)
def test_class_losses_are_float32_under_bf16(name: str) -> None:
    head = head_of(name)
    real, fake = said(head, 1), said(head, 2)
    expected = head.discriminator_loss(real, fake)
    with torch.autocast("cpu", torch.bfloat16):
        assert F.linear(features(1), features(2)).dtype == torch.bfloat16
        found = head.discriminator_loss(real, fake)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
