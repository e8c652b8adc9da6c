"""Spectrally normalised layers: the estimate, its sharing and its batching."""

from collections.abc import Callable
from copy import deepcopy
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from contragan.models.layers.factory import (
    Conv2d,
    ConvTranspose2d,
    Embedding,
    Layers,
    Linear,
    SharedWeights,
)
from contragan.models.layers.spectral_norm import SpectralNorm

Network = TypeVar("Network", bound=nn.Module)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def network(spectral_norm: bool = True) -> nn.Sequential:
    layers = Layers(spectral_norm)
    return nn.Sequential(
        layers.conv2d(3, 4, 3, padding=1),
        layers.conv2d(4, 4, 3, padding=1),
        layers.conv2d(4, 4, 3, padding=1),
        layers.conv_transpose2d(4, 2, 4, stride=2, padding=1),
        nn.Flatten(),
        layers.linear(32, 5),
    )


def rescaled(module: Network) -> Network:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=2.0)
    return module


def effective(layer: nn.Module) -> Tensor:
    """The weight that a pass of the layer uses."""
    assert isinstance(layer, Conv2d | ConvTranspose2d | Linear | Embedding)
    return layer.effective_weight()


def largest_singular_value(weight: Tensor, transposed: bool = False) -> Tensor:
    matrix = (weight.transpose(0, 1) if transposed else weight).flatten(1)
    value: Tensor = torch.linalg.matrix_norm(matrix, 2)
    return value


@pytest.mark.parametrize("kind", ["conv2d", "conv_transpose2d", "linear", "embedding"])
def test_normalised_weight_has_unit_norm_after_iterations(kind: str) -> None:
    layers = Layers(spectral_norm=True)
    makers: dict[str, Callable[[], nn.Module]] = {
        "conv2d": lambda: layers.conv2d(5, 7, 3),
        "conv_transpose2d": lambda: layers.conv_transpose2d(5, 7, 4, 2, 1),
        "linear": lambda: layers.linear(5, 7),
        "embedding": lambda: layers.embedding(5, 7),
    }
    layer = makers[kind]()
    rescaled(layer)
    for _ in range(200):
        SharedWeights(layer).iterate()
    layer.eval()
    transposed = kind == "conv_transpose2d"
    assert_close(largest_singular_value(effective(layer), transposed), torch.tensor(1.0))
    assert largest_singular_value(layer.get_parameter("weight"), transposed) > 2


@pytest.mark.parametrize("transposed", [True, False])
def test_agrees_with_the_framework(transposed: bool) -> None:
    ours: nn.Module
    if transposed:
        plain: nn.Module = nn.ConvTranspose2d(3, 6, 4, 2, 1)
        ours = Layers(True).conv_transpose2d(3, 6, 4, 2, 1)
    else:
        plain, ours = nn.Conv2d(3, 6, 3), Layers(True).conv2d(3, 6, 3)
    theirs = nn.utils.spectral_norm(plain, eps=1e-6)
    state = theirs.state_dict()
    ours.load_state_dict(
        {
            "weight": state["weight_orig"],
            "bias": state["bias"],
            "spectral_norm.u": state["weight_u"],
            "spectral_norm.v": state["weight_v"],
        }
    )
    x = torch.randn(2, 3, 8, 8)
    for _ in range(3):
        expected, given = theirs(x), ours(x)
        assert_close(given, expected, atol=1e-6, rtol=1e-5)
    expected.square().sum().backward()
    given.square().sum().backward()
    assert_close(ours.weight.grad, theirs.weight_orig.grad, atol=1e-3, rtol=1e-4)


def test_gradient_treats_the_singular_vectors_as_constants() -> None:
    norm = SpectralNorm(torch.randn(3, 4)).double()
    weight = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, weight)


def test_evaluation_leaves_the_estimate_alone() -> None:
    net = rescaled(network()).eval()
    before = deepcopy(net.state_dict())
    x = torch.randn(2, 3, 2, 2)
    first = net(x)
    with SharedWeights(net)():
        assert_close(net(x), first)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name
    net.train()(x)
    assert not torch.equal(net.state_dict()["0.spectral_norm.u"], before["0.spectral_norm.u"])


def test_batched_iteration_equals_one_by_one() -> None:
    batched = rescaled(network())
    single = deepcopy(batched)
    for _ in range(3):
        SharedWeights(batched).iterate()
        for module in single:
            if norm := getattr(module, "spectral_norm", None):
                norm.iterate(module.weight)
    assert_close(batched.state_dict(), single.state_dict())


def test_shared_weights_equal_plain_ones_and_iterate_once() -> None:
    shared = rescaled(network())
    plain = deepcopy(shared)
    x = torch.randn(2, 3, 2, 2)
    expected = plain(x)
    expected.square().sum().backward()
    with SharedWeights(shared)():
        first, second = shared(x), shared(x)
    assert_close(first, expected)
    assert torch.equal(first, second)
    assert_close(shared.state_dict(), plain.state_dict())
    ((first.square().sum() + second.square().sum()) / 2).backward()
    for ours, theirs in zip(shared.parameters(), plain.parameters(), strict=True):
        assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


def test_later_passes_do_not_disturb_an_earlier_backward() -> None:
    net = rescaled(network())
    x = torch.randn(2, 3, 2, 2)
    first = net(x)
    reference = deepcopy(net).eval()(x)  # same singular vectors as the first pass used
    net(x)
    first.square().sum().backward()
    assert_close(first, reference)


def test_estimate_stays_float32_under_autocast() -> None:
    net = rescaled(network())
    twin = deepcopy(net)
    with torch.autocast("cpu", torch.bfloat16):
        net(torch.randn(2, 3, 2, 2))
        weight = effective(net[0])
    twin(torch.randn(2, 3, 2, 2))
    effective(twin[0])
    assert weight.dtype == torch.float32
    assert_close(net.state_dict(), twin.state_dict(), atol=0.0, rtol=0.0)


def test_new_layers_are_normalised_before_any_training_pass() -> None:
    for layer in network().eval()[:4]:
        transposed = isinstance(layer, nn.ConvTranspose2d)
        weight = effective(layer)
        assert_close(
            largest_singular_value(weight, transposed), torch.tensor(1.0), atol=0.5, rtol=0
        )


def test_plain_layers_start_orthogonal_without_bias() -> None:
    linear = Layers().linear(8, 4)
    assert_close(linear.weight @ linear.weight.T, torch.eye(4))
    assert torch.equal(linear.bias, torch.zeros(4))
    assert linear.effective_weight() is linear.weight


@pytest.mark.parametrize("channels_last", [True, False])
def test_kept_shared_weights_follow_their_weights(channels_last: bool) -> None:
    """Through updates in place, other memory formats and replaced parameters and vectors."""
    layers = Layers(spectral_norm=True)
    net = nn.Sequential(layers.conv_transpose2d(3, 4, 4, 2, 1), layers.conv2d(4, 2, 3))
    if channels_last:
        net.to(memory_format=torch.channels_last)
    shared = SharedWeights(net)

    def assert_current() -> None:
        twin = deepcopy(net)
        with shared(), SharedWeights(twin)():
            for mine, other in zip(net, twin, strict=True):
                assert_close(effective(mine), effective(other))
        assert_close(net.state_dict(), twin.state_dict())

    assert_current()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn_like(parameter))
    assert_current()
    net.to(memory_format=torch.contiguous_format)
    assert_current()
    net.load_state_dict({k: v.clone() * 2 for k, v in net.state_dict().items()}, assign=True)
    assert_current()
    with shared():
        effective(net[1]).sum().backward()
    assert net[1].weight.grad is not None
