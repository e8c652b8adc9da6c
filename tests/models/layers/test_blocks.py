"""Folded resampling against the plain sequence, and attention against its formula."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from contragan.models import Generator, Trunk
from contragan.models.layers.attention import SelfAttention
from contragan.models.layers.blocks import Filtered, TrunkBlock, conv_pool, upsample_conv
from contragan.models.layers.factory import Layers, set_plain
from contragan.models.layers.normalization import ConditionalBatchNorm2d


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


FILTERED: list[Filtered] = ["images", "kernel"]


@pytest.mark.parametrize("filtered", FILTERED)
@pytest.mark.parametrize("size", [(1, 1), (3, 4)])
def test_folded_upsampling_is_exact(size: tuple[int, int], filtered: Filtered) -> None:
    conv = Layers().conv2d(3, 5, 3, padding=1).double()
    nn.init.normal_(conv.bias)  # type: ignore[arg-type]
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    plain = conv(F.interpolate(x, scale_factor=2, mode="nearest"))
    assert_close(upsample_conv(x, conv, filtered), plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("filtered", FILTERED)
@pytest.mark.parametrize("size", [(2, 2), (6, 4)])
def test_folded_pooling_is_exact(size: tuple[int, int], filtered: Filtered) -> None:
    conv = Layers().conv2d(3, 5, 3, padding=1).double()
    nn.init.normal_(conv.bias)  # type: ignore[arg-type]
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    assert_close(conv_pool(x, conv, filtered), F.avg_pool2d(conv(x), 2), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("filtered", FILTERED)
@pytest.mark.parametrize("fold", [upsample_conv, conv_pool])
def test_folded_convolutions_can_be_differentiated_twice(
    fold: Callable[..., Tensor], filtered: Filtered
) -> None:
    conv = Layers().conv2d(2, 3, 3, padding=1).double()

    x = torch.randn(1, 2, 4, 2, dtype=torch.float64, requires_grad=True)
    inputs = (x, *conv.parameters())

    def folded(*_: Tensor) -> Tensor:
        return fold(x, conv, filtered)

    assert torch.autograd.gradcheck(folded, inputs)
    assert torch.autograd.gradgradcheck(folded, inputs)


def outcome(network: nn.Module, *inputs: Tensor) -> list[Tensor]:
    """Output, gradients of the first input and of all parameters, of a fixed weighted sum."""
    network.zero_grad()
    first = inputs[0].clone().requires_grad_()
    output = network(first, *inputs[1:])
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).sin().view_as(output)
    (output * weights).sum().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    return [output, first.grad, *gradients]


@pytest.mark.parametrize("spectral_norm", [True, False])
@pytest.mark.parametrize("kind", ["resgan", "biggan"])
def test_folded_generator_equals_the_plain_one(
    kind: str, spectral_norm: bool, new_generator: Callable[..., Generator]
) -> None:
    generator = new_generator(kind, 16, spectral_norm=spectral_norm).double().eval()
    inputs = torch.randn(3, 60, dtype=torch.float64), torch.tensor([0, 1, 4])
    folded = outcome(generator, *inputs)
    set_plain(generator)
    plain = outcome(generator, *inputs)
    for ours, theirs in zip(folded, plain, strict=True):
        assert_close(ours, theirs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("relu_before_shortcut", [True, False])
@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_folded_trunk_equals_the_plain_one(
    normalization: str, relu_before_shortcut: bool, new_trunk: Callable[..., Trunk]
) -> None:
    trunk = new_trunk(
        "resgan", 16, normalization=normalization, relu_before_shortcut=relu_before_shortcut
    ).double()
    trunk.eval()  # power iteration would move between the two passes
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    x = torch.randn(3, 3, 16, 16, dtype=torch.float64)
    folded = outcome(trunk, x)
    set_plain(trunk)
    plain = outcome(trunk, x)
    for ours, theirs in zip(folded, plain, strict=True):
        assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("downsample", [True, False])
def test_trunk_block_follows_its_description(published: bool, downsample: bool) -> None:
    block = TrunkBlock(
        4,
        6,
        layers=Layers(),
        first=False,
        downsample=downsample,
        relu_before_shortcut=published,
        normalization="none",
        eps=1e-5,
        momentum=0.1,
    )
    x = torch.randn(2, 4, 6, 6)
    assert block.shortcut is not None
    expected = block.conv2(F.relu(block.conv1(F.relu(x))))
    expected = expected + block.shortcut(F.relu(x) if published else x)
    if downsample:
        expected = F.avg_pool2d(expected, 2)
    assert_close(block(x.clone()), expected, atol=1e-5, rtol=1e-5)


def test_new_attention_is_the_identity_and_opens_with_its_gate() -> None:
    attention = SelfAttention(16, layers=Layers()).double()
    x = torch.randn(2, 16, 4, 6, dtype=torch.float64)
    assert torch.equal(attention(x), x)
    nn.init.constant_(attention.gate, 0.5)

    query = F.conv2d(x, attention.query.weight).flatten(2)
    key = F.max_pool2d(F.conv2d(x, attention.key.weight), 2).flatten(2)
    value = F.max_pool2d(F.conv2d(x, attention.value.weight), 2).flatten(2)
    share = torch.softmax(torch.einsum("bcq,bck->bqk", query, key), 2)
    mixed = torch.einsum("bqk,bck->bcq", share, value).view(2, 8, 4, 6)
    expected = x + 0.5 * F.conv2d(mixed, attention.output.weight)
    assert_close(attention(x), expected)
    last = attention(x.contiguous(memory_format=torch.channels_last))
    assert_close(last, expected)


def test_attention_can_be_differentiated_twice() -> None:
    attention = SelfAttention(8, layers=Layers()).double()
    nn.init.ones_(attention.gate)
    x = torch.randn(1, 8, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(attention, x)


def test_conditional_batch_norm_follows_its_formula() -> None:
    norm = ConditionalBatchNorm2d(4, 3, layers=Layers(), eps=1e-4, momentum=0.25)
    x, condition = torch.randn(5, 4, 2, 2) * 3 + 1, torch.randn(5, 3)
    mean = x.mean((0, 2, 3), keepdim=True)
    variance = x.var((0, 2, 3), unbiased=False, keepdim=True)
    gain = 1 + (condition @ norm.gain.weight.T)[:, :, None, None]
    bias = (condition @ norm.bias.weight.T)[:, :, None, None]
    expected = gain * (x - mean) / (variance + 1e-4).sqrt() + bias
    assert_close(norm(x, condition), expected, atol=1e-5, rtol=1e-5)
    assert_close(norm.bn.running_mean, 0.25 * mean.flatten())
