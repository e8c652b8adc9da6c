"""NT-Xent, P-NCA, D2D-CE, augmented positives and the metric-learning losses."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from reference import embedding_losses as slow
from torch import Tensor

from contragan.core.errors import UserError
from contragan.core.types import DiscriminatorOutput
from contragan.losses import (
    ConditionalContrastiveLoss,
    D2DCELoss,
    NPairLoss,
    NTXentLoss,
    PairLoss,
    ProxyNCALoss,
    TripletLoss,
)
from contragan.models.heads.contrastive import ContrastiveConfig
from contragan.models.heads.proxy_nca import ProxyNCAConfig
from contragan.models.layers.factory import Layers

Loss = Callable[[Tensor, Tensor, Tensor, float], Tensor]

EXACT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-12}
LABEL = torch.tensor([0, 2, 1, 0, 2, 0, 3])
"""Three partners, two partners, and two classes of one sample."""


def eq(positives: bool) -> ConditionalContrastiveLoss:
    return ConditionalContrastiveLoss(0.5, positives_in_numerator=positives)


CASES: dict[str, tuple[Loss, Loss]] = {
    "nt_xent": (
        lambda x, t, y, s: NTXentLoss(s)(x, t[: len(y)] + x.detach(), y),
        lambda x, t, y, s: slow.nt_xent(x, t[: len(y)] + x.detach(), s),
    ),
    "proxy_nca": (
        lambda x, t, y, s: ProxyNCALoss(s)(x, t, y),
        lambda x, t, y, s: slow.proxy_nca(x, t, y.tolist(), s),
    ),
    "d2d_ce": (
        lambda x, t, y, s: D2DCELoss(s, positive_margin=0.5, negative_margin=0.1)(x, t[y], y),
        lambda x, t, y, s: slow.d2d_ce(x, t[y], y.tolist(), s, 0.5, 0.1),
    ),
    "eq8 with a copy": (
        lambda x, t, y, s: eq(True)(x, t[y], y, x.roll(1, 1)),
        lambda x, t, y, s: slow.augmented_contrastive(x, t[y], x.roll(1, 1), y.tolist(), 0.5, True),
    ),
    "eq7 with a copy": (
        lambda x, t, y, s: eq(False)(x, t[y], y, x.roll(1, 1)),
        lambda x, t, y, s: slow.augmented_contrastive(
            x, t[y], x.roll(1, 1), y.tolist(), 0.5, False
        ),
    ),
    "eq8 with a copy for the proxy": (
        lambda x, t, y, s: eq(True)(x, None, y, x.roll(1, 1)) + 0 * t.sum(),
        lambda x, t, y, s: (
            slow.augmented_contrastive(x, None, x.roll(1, 1), y.tolist(), 0.5, True) + 0 * t.sum()
        ),
    ),
    "pair": (
        lambda x, t, y, s: PairLoss(1.2)(x, None, y) + 0 * t.sum(),
        lambda x, t, y, s: slow.pair(x, y.tolist(), 1.2) + 0 * t.sum(),
    ),
    "triplet": (
        lambda x, t, y, s: TripletLoss(0.4)(x, None, y) + 0 * t.sum(),
        lambda x, t, y, s: slow.triplet(x, y.tolist(), 0.4) + 0 * t.sum(),
    ),
    "n_pair": (
        lambda x, t, y, s: NPairLoss(s)(x, None, y) + 0 * t.sum(),
        lambda x, t, y, s: slow.n_pair(x, y.tolist(), s) + 0 * t.sum(),
    ),
}


def inputs(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    embedding = torch.randn(count, 5, dtype=torch.float64, generator=random)
    table = torch.randn(8, 5, dtype=torch.float64, generator=random)
    return embedding.requires_grad_(), table.requires_grad_()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_value_and_gradient(name: str, temperature: float) -> None:
    fast, slow_loss = CASES[name]
    embedding, table = inputs(len(LABEL))
    ours = fast(embedding, table, LABEL, temperature)
    theirs = slow_loss(embedding, table, LABEL, temperature)
    torch.testing.assert_close(ours, theirs, **EXACT)
    for mine, expected in zip(
        torch.autograd.grad(ours, (embedding, table)),
        torch.autograd.grad(theirs, (embedding, table)),
        strict=True,
    ):
        torch.testing.assert_close(mine, expected, **EXACT)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    ("label", "scale"),
    [([0, 1, 2, 3], 1.0), ([0, 0, 0, 0], 1.0), ([1], 1.0), ([0, 1, 0, 1], 1e4)],
    ids=["no partner", "one class", "batch of one", "large embeddings"],
)
@pytest.mark.parametrize("temperature", [1e-3, 1.0])
def test_edge_cases_are_finite(
    name: str, label: list[int], scale: float, temperature: float
) -> None:
    embedding, table = inputs(len(label), seed=1)
    embedding = (embedding.detach().float() * scale).requires_grad_()
    table = table.detach().float().requires_grad_()
    value = CASES[name][0](embedding, table, torch.tensor(label), temperature)
    gradients = torch.autograd.grad(value, (embedding, table))
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_equal_embeddings_of_different_classes_have_a_finite_gradient() -> None:
    embedding = torch.ones(4, 3, requires_grad=True)
    label = torch.tensor([0, 0, 1, 1])
    for loss in (PairLoss(1.0)(embedding, None, label), NPairLoss(1.0)(embedding, None, label)):
        (gradient,) = torch.autograd.grad(loss, embedding)
        assert gradient.isfinite().all()


def test_proxy_classification_is_a_cross_entropy_beside_the_contrastive_term() -> None:
    config = ContrastiveConfig(
        kind="contrastive",
        embedding_dim=4,
        temperature=1.0,
        weight=2.0,
        positives_in_numerator=True,
        same_class_negatives=True,
        projection_head="linear",
        proxy_classification={"weight": 0.5, "temperature": 0.1},
    )
    torch.manual_seed(0)
    head = config.build(6, 3, Layers())
    label = torch.tensor([0, 2, 1, 1])
    output: DiscriminatorOutput = head(torch.randn(4, 6), label)
    terms = head.discriminator_loss(output, output)
    assert output.embedding is not None
    assert output.proxies is not None
    assert output.proxy is not None
    shares = (output.embedding @ output.proxies.t() / 0.1).exp()
    expected = -2 * 0.5 * (shares[torch.arange(4), label] / shares.sum(1)).log().mean()
    torch.testing.assert_close(terms["proxy_classification"], expected)
    plain = 2 * ConditionalContrastiveLoss()(output.embedding, output.proxy, label)
    torch.testing.assert_close(terms["contrastive"], plain)


def test_p_nca_refuses_a_single_class() -> None:
    config = ProxyNCAConfig(
        kind="proxy_nca", embedding_dim=4, temperature=1.0, weight=1.0, projection_head="linear"
    )
    with pytest.raises(UserError, match="at least two classes"):
        config.build(6, 1, Layers())


def test_nothing_to_pull_to_is_an_error() -> None:
    with pytest.raises(ValueError, match="proxy, view or both"):
        ConditionalContrastiveLoss()(torch.randn(2, 3), None, torch.tensor([0, 1]))
