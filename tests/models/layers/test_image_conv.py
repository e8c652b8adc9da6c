"""The convolution to an image's channels against PyTorch's own."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from contragan.models.layers.factory import Layers, set_plain
from contragan.models.layers.image_conv import few_outputs_conv, sum_taps, taps


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("size", [(2, 1, 1), (2, 4, 7), (0, 4, 4)])
def test_it_is_the_convolution(size: tuple[int, int, int], channels_last: bool) -> None:
    x = torch.randn(size[0], 5, *size[1:], dtype=torch.float64)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    weight = torch.randn(3, 5, 3, 3, dtype=torch.float64)
    inputs = x.requires_grad_(), weight.requires_grad_()
    ours, theirs = few_outputs_conv(*inputs), F.conv2d(*inputs, padding=1)
    assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    upstream = torch.randn_like(theirs)
    for mine, other in zip(
        torch.autograd.grad(ours, inputs, upstream),
        torch.autograd.grad(theirs, inputs, upstream),
        strict=True,
    ):
        assert_close(mine, other, rtol=1e-12, atol=1e-12)


def test_it_can_be_differentiated_twice() -> None:
    x = torch.randn(1, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(few_outputs_conv, (x, weight))
    assert torch.autograd.gradgradcheck(few_outputs_conv, (x, weight))


def test_taps_and_their_sum_are_transposes() -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    products = torch.randn(2, 27, 20, dtype=torch.float64)
    assert_close((taps(x) * products).sum(), (x * sum_taps(products, x.shape)).sum())


@pytest.mark.parametrize(("channels", "size"), [(3, (2, 6, 4, 4)), (1, (1, 6, 1, 7))])
def test_a_layer_computes_the_same_in_both_forms(channels: int, size: tuple[int, ...]) -> None:
    layer = Layers(spectral_norm=True).image_conv2d(6, channels).eval()
    torch.nn.init.normal_(layer.bias)  # type: ignore[arg-type]
    x = torch.randn(size)
    ours = layer(x)
    set_plain(layer)
    assert_close(ours, layer(x))


def test_bf16_products_are_summed_in_float32() -> None:
    x, weight = torch.randn(2, 64, 8, 8), torch.randn(3, 64, 3, 3)
    x, weight = x.bfloat16().float(), weight.bfloat16().float()
    exact = F.conv2d(x.double(), weight.double(), padding=1)
    weight.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = few_outputs_conv(x, weight), F.conv2d(x, weight, padding=1)
    assert ours.dtype == torch.float32
    assert (ours - exact).square().mean() < 1.5 * (theirs - exact).square().mean()
    ours.sum().backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32
