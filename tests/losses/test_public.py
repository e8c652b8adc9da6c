"""The public losses: one call form, and examples that run."""

import doctest
from importlib import import_module
from pkgutil import iter_modules

import pytest
import torch

import contragan.losses
from contragan.losses import EmbeddingLoss

LOSSES = [
    loss
    for loss in vars(contragan.losses).values()
    if isinstance(loss, type) and issubclass(loss, EmbeddingLoss) and loss is not EmbeddingLoss
]


def test_every_embedding_loss_is_public() -> None:
    assert len(LOSSES) == 8


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_one_call_form(loss: type[EmbeddingLoss]) -> None:
    """A scalar with a gradient, whatever the length of the embeddings."""
    torch.manual_seed(0)
    embedding, table = torch.randn(6, 4, requires_grad=True), torch.randn(3, 4)
    label = torch.tensor([0, 1, 2, 0, 1, 0])
    partner = {
        "proxy": table[label],
        "proxies": table,
        "view": embedding.detach() + 0.1,
        "none": None,
    }[loss.partner]
    value = loss()(embedding, partner, label)
    assert value.shape == ()
    value.backward()
    assert embedding.grad is not None
    assert embedding.grad.abs().sum() > 0
    torch.testing.assert_close(loss()(3 * embedding, partner, label), value)


@pytest.mark.parametrize(
    "loss", [x for x in LOSSES if x.partner != "none"], ids=lambda loss: loss.__name__
)
def test_a_missing_partner_is_named(loss: type[EmbeddingLoss]) -> None:
    with pytest.raises(ValueError, match=r"proxy|proxies|view"):
        loss()(torch.randn(2, 3), None, torch.tensor([0, 1]))


NAMES = [module.name for module in iter_modules(contragan.losses.__path__)]


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name: str) -> None:
    result = doctest.testmod(import_module(f"contragan.losses.{name}"))
    assert result.failed == 0


def test_every_embedding_loss_has_an_example() -> None:
    assert all(">>>" in (loss.__doc__ or "") for loss in LOSSES)
