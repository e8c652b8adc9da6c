"""The 2C loss against a slow transcription of Eqs. 7 and 8, and where it could break."""

import math
from typing import Any

import pytest
import torch
from reference.contrastive import contrastive_loss
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from contragan import ConditionalContrastiveLoss

VARIANTS = [
    pytest.param(True, True, id="eq8"),
    pytest.param(False, True, id="eq7"),
    pytest.param(False, False, id="eq7-other-classes-only"),
]


def inputs(
    n: int = 7, d: int = 5, classes: int = 3, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    embedding = torch.randn(n, d, dtype=torch.float64, generator=random)
    table = torch.randn(classes, d, dtype=torch.float64, generator=random)
    label = torch.randint(classes, (n,), generator=random)
    return embedding.requires_grad_(), table[label].requires_grad_(), label


@pytest.mark.parametrize(("positives", "same_class"), VARIANTS)
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_value_and_gradient(positives: bool, same_class: bool, temperature: float) -> None:
    embedding, proxy, label = inputs()
    loss = ConditionalContrastiveLoss(
        temperature, positives_in_numerator=positives, same_class_negatives=same_class
    )
    ours = loss(embedding, proxy, label)
    slow = contrastive_loss(embedding, proxy, label.tolist(), temperature, positives, same_class)
    torch.testing.assert_close(ours, slow, rtol=1e-12, atol=1e-12)
    expected = torch.autograd.grad(slow, (embedding, proxy))
    for mine, theirs in zip(torch.autograd.grad(ours, (embedding, proxy)), expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("positives", "same_class"), VARIANTS)
def test_gradcheck(positives: bool, same_class: bool) -> None:
    embedding, proxy, label = inputs(n=4)
    loss = ConditionalContrastiveLoss(
        0.5, positives_in_numerator=positives, same_class_negatives=same_class
    )
    assert torch.autograd.gradcheck(lambda e, p: loss(e, p, label), (embedding, proxy))


@pytest.mark.parametrize(("positives", "same_class"), VARIANTS)
def test_second_derivative(positives: bool, same_class: bool) -> None:
    """Regularisers may differentiate twice through the loss."""
    embedding, proxy, label = inputs(n=4)
    loss = ConditionalContrastiveLoss(
        0.5, positives_in_numerator=positives, same_class_negatives=same_class
    )
    assert torch.autograd.gradgradcheck(lambda e, p: loss(e, p, label), (embedding, proxy))


class Largest(TorchDispatchMode):
    """Watches for the largest tensor that anything makes, in elements."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.elements = max(self.elements, result.numel())
        return result


def test_nothing_is_larger_than_the_pairs_of_samples() -> None:
    """Two partners a row at most join them; an N x N x d tensor would be 16 times as large."""
    embedding, proxy, label = inputs(n=64, d=16, classes=10)
    with Largest() as watched:
        loss = ConditionalContrastiveLoss()(embedding, proxy, label)
        torch.autograd.grad(loss, (embedding, proxy))
    assert 64 * 64 <= watched.elements <= 64 * (64 + 2)


def test_eq8_is_eq7_without_a_positive_partner() -> None:
    embedding, proxy, _ = inputs(n=3, classes=3)
    label = torch.tensor([0, 1, 2])
    eq8 = ConditionalContrastiveLoss()(embedding, proxy, label)
    eq7 = ConditionalContrastiveLoss(positives_in_numerator=False)(embedding, proxy, label)
    torch.testing.assert_close(eq8, eq7, rtol=1e-12, atol=0)


@pytest.mark.parametrize("seed", range(5))
def test_eq8_is_never_negative_and_below_eq7(seed: int) -> None:
    embedding, proxy, label = inputs(seed=seed)
    embedding, proxy = embedding.detach(), proxy.detach()
    eq8 = float(ConditionalContrastiveLoss()(embedding, proxy, label))
    eq7 = float(ConditionalContrastiveLoss(positives_in_numerator=False)(embedding, proxy, label))
    assert 0 <= eq8 <= eq7


def test_one_class_under_eq8_is_zero() -> None:
    embedding, proxy, _ = inputs()
    label = torch.zeros(7, dtype=torch.long)
    loss = ConditionalContrastiveLoss()(embedding.detach(), proxy.detach(), label)
    assert float(loss) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("positives", "same_class"), VARIANTS)
@pytest.mark.parametrize(
    ("label", "temperature"),
    [
        pytest.param([0], 1.0, id="batch of one"),
        pytest.param([1, 1, 1], 1.0, id="one class"),
        pytest.param([0, 1, 2], 1.0, id="no positive pair"),
        pytest.param([0, 0, 1], 1e-4, id="tiny temperature"),
    ],
)
def test_edge_cases_are_finite(
    positives: bool, same_class: bool, label: list[int], temperature: float
) -> None:
    loss = ConditionalContrastiveLoss(
        temperature, positives_in_numerator=positives, same_class_negatives=same_class
    )
    embedding = torch.randn(len(label), 4, requires_grad=True)
    proxy = torch.randn(len(label), 4, requires_grad=True)
    value = loss(embedding, proxy, torch.tensor(label))
    value.backward()
    assert math.isfinite(value.item())
    for vectors in (embedding, proxy):
        assert vectors.grad is not None
        assert torch.isfinite(vectors.grad).all()


def test_bfloat16_inputs_are_computed_in_float32() -> None:
    embedding, proxy, label = inputs()
    half = embedding.detach().bfloat16(), proxy.detach().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = ConditionalContrastiveLoss()(*half, label)
    assert value.dtype == torch.float32
    exact = ConditionalContrastiveLoss()(half[0].float(), half[1].float(), label)
    torch.testing.assert_close(value, exact, rtol=1e-6, atol=0)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        ConditionalContrastiveLoss(0.0)
    with pytest.raises(ValueError, match="same_class_negatives"):
        ConditionalContrastiveLoss(positives_in_numerator=True, same_class_negatives=False)
