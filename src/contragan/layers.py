"""Convolution, linear and embedding layers, plain or spectrally normalised.

Trunks and heads both build from these, so they stand below networks and conditioning.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

SPECTRAL_NORM_EPS = 1e-6

Size = int | tuple[int, ...]


def _full_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """Autocast off, where the tensor's device has it: the meta device has none."""
    device = tensor.device.type
    if torch.amp.is_autocast_available(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


class SpectralNorm(nn.Module):
    """Estimate of a weight's largest singular value by power iteration.

    Holds the singular vectors ``u`` (rows,) and ``v`` (columns,) of the weight viewed as a matrix
    (output channels, rest); ``transposed`` says that output channels are its second dimension.
    The gradient flows through sigma = u^T W v with u and v constant. Always float32 or wider.

    Source: Miyato et al. 2018, Algorithm 1.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, transposed: bool = False) -> None:
        super().__init__()
        self.transposed = transposed
        rows = weight.shape[1 if transposed else 0]
        columns = weight.numel() // rows
        self.register_buffer("u", F.normalize(torch.randn(rows), dim=0, eps=SPECTRAL_NORM_EPS))
        self.register_buffer("v", F.normalize(torch.randn(columns), dim=0, eps=SPECTRAL_NORM_EPS))
        # A random pair underestimates sigma by far: evaluated untrained, weights would explode.
        self.iterate(weight)

    def _channels_come_last(self, weight: Tensor) -> bool:
        return not self.transposed and is_channels_last(weight)

    def matrix(self, tensor: Tensor, like: Tensor) -> Tensor:
        """``tensor`` as a matrix (rows, columns) with columns in the order of ``like``'s memory.

        A view, without a copy, where both have the same memory format.
        """
        if self.transposed:
            return tensor.transpose(0, 1).flatten(1)
        if self._channels_come_last(like):
            return tensor.movedim(1, -1).flatten(1)
        return tensor.flatten(1)

    def columns(self, weight: Tensor) -> Tensor:
        """A view of ``v`` whose elements follow each other as :meth:`matrix`'s columns do."""
        if self._channels_come_last(weight):
            return self.v.view(weight.shape[1:]).movedim(0, -1)
        return self.v

    def folded_back(self, matrix: Tensor, like: Tensor) -> Tensor:
        """The tensor of ``like``'s shape that :meth:`matrix` made ``matrix`` of."""
        if self.transposed:
            return matrix.view(like.transpose(0, 1).shape).transpose(0, 1)
        if self._channels_come_last(like):
            return matrix.view(like.movedim(1, -1).shape).movedim(-1, 1)
        return matrix.view(like.shape)

    def iterate(self, weight: Tensor) -> None:
        """One power iteration on ``weight``."""
        _NormGroup([self], [weight]).iterate()

    def forward(self, weight: Tensor) -> Tensor:
        """The weight divided by the current estimate of its largest singular value."""
        return _NormGroup([self], [weight]).normalized()[0]


def is_channels_last(weight: Tensor) -> bool:
    """Whether a weight (O, I, H, W) lies in memory as (O, H, W, I)."""
    return weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last)


class _NormGroup:
    """Several weights beside their norms, for one call where one a weight would do.

    ``matrices`` are views of them, made once for all that is asked.
    """

    def __init__(self, norms: list[SpectralNorm], weights: list[Tensor]) -> None:
        self.norms, self.weights = norms, weights
        with torch.no_grad():
            self.matrices = [norm.matrix(w, w) for norm, w in zip(norms, weights, strict=True)]
            self.columns = [norm.columns(w) for norm, w in zip(norms, weights, strict=True)]

    @torch.no_grad()
    def iterate(self) -> None:
        """One power iteration of each norm on its weight."""
        rows = [norm.u for norm in self.norms]
        with _full_precision(self.weights[0]):
            v = _unit([torch.mv(m.t(), u) for m, u in zip(self.matrices, rows, strict=True)])
            u = _unit([torch.mv(m, x) for m, x in zip(self.matrices, v, strict=True)])
        torch._foreach_copy_(rows, u)
        found = [x.view(view.shape) for x, view in zip(v, self.columns, strict=True)]
        torch._foreach_copy_(self.columns, found)

    def normalized(self) -> tuple[Tensor, ...]:
        """Each weight divided by the current estimate of its largest singular value."""
        normalized: tuple[Tensor, ...] = _Normalize.apply(self, *self.weights)
        return normalized


def _unit(vectors: list[Tensor]) -> list[Tensor]:
    """The vectors, each divided by its length in place."""
    lengths = torch._foreach_norm(vectors)
    torch._foreach_clamp_min_(lengths, SPECTRAL_NORM_EPS)
    torch._foreach_div_(vectors, lengths)
    return vectors


class _Normalize(torch.autograd.Function):
    """W / sigma of many weights at once, sigma = u^T W v.

    The gradient of W is (G - <G, W / sigma> u v^T) / sigma for a gradient G of W / sigma.
    """

    @staticmethod
    def forward(ctx: Any, given: _NormGroup, *weights: Tensor) -> tuple[Tensor, ...]:
        norms = given.norms
        with _full_precision(weights[0]):
            # Copied, so that a later iteration cannot change what backward needs.
            vectors = [norm.u for norm in norms] + [view.flatten() for view in given.columns]
            vectors = list(torch.split(torch.cat(vectors), [len(vector) for vector in vectors]))
            u, v = vectors[: len(norms)], vectors[len(norms) :]
            images = [torch.mv(m, x) for m, x in zip(given.matrices, v, strict=True)]
            sigmas = [torch.dot(x, image) for x, image in zip(u, images, strict=True)]
            normalized = torch._foreach_div(weights, sigmas)
        ctx.norms = norms
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*normalized, *u, *v, *sigmas)
        return tuple(normalized)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        count = len(gradients)
        saved: tuple[Tensor, ...] = ctx.saved_tensors
        weights, u, v, sigmas = (saved[at : at + count] for at in range(0, 4 * count, count))
        results: list[Tensor | None] = [None] * count
        for index, gradient in enumerate(gradients):
            if gradient is None:
                continue
            norm, weight = ctx.norms[index], weights[index]
            matrix = norm.matrix(gradient, weight)
            along = torch.dot(matrix.flatten(), norm.matrix(weight, weight).flatten())
            rest = torch.addr(matrix, u[index] * along, v[index], alpha=-1)
            results[index] = norm.folded_back(rest.div_(sigmas[index]), weight)
        return (None, *results)


class _Weighted(nn.Module):
    """A layer whose forward reads its weight through :meth:`effective_weight`."""

    weight: Tensor
    spectral_norm: SpectralNorm | None
    _shared: Tensor | None = None

    def effective_weight(self) -> Tensor:
        """The weight as the forward pass uses it: spectrally normalised where the layer is.

        In training mode each call makes one power iteration, unless :func:`shared_weights` is open.
        """
        if self.spectral_norm is None:
            return self.weight
        if self._shared is not None:
            return self._shared
        if self.training:
            self.spectral_norm.iterate(self.weight)
        return self.spectral_norm(self.weight)  # type: ignore[no-any-return]


class Conv2d(_Weighted, nn.Conv2d):
    """``nn.Conv2d`` with an optional ``spectral_norm``."""

    def forward(self, input: Tensor) -> Tensor:
        weight = self.effective_weight()
        return F.conv2d(input, weight, self.bias, self.stride, self.padding)


class ConvTranspose2d(_Weighted, nn.ConvTranspose2d):
    """``nn.ConvTranspose2d`` with an optional ``spectral_norm``, whose rows are output channels.

    ``bias_apart`` adds the bias as :func:`transposed_conv` does.
    """

    bias_apart = True

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        convolve = transposed_conv if self.bias_apart else F.conv_transpose2d
        return convolve(input, self.effective_weight(), self.bias, self.stride, self.padding)  # type: ignore[arg-type]


def transposed_conv(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Size, padding: Size = 0
) -> Tensor:
    """``F.conv_transpose2d``, with the bias added apart.

    Inside that call on a CPU, the bias's gradient takes as long as the weight's, and without
    padding the bias makes the pass itself up to eight times as long (oneDNN, AVX-512, bf16).
    """
    return biased_(F.conv_transpose2d(x, weight, None, stride, padding), bias)


def biased_(x: Tensor, bias: Tensor | None) -> Tensor:
    """``x`` (B, C, H, W) with a bias (C,) added to each channel in place."""
    return x if bias is None else x.add_(bias.to(x.dtype)[:, None, None])


class Linear(_Weighted, nn.Linear):
    """``nn.Linear`` with an optional ``spectral_norm``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.effective_weight(), self.bias)


class Embedding(_Weighted, nn.Embedding):
    """``nn.Embedding`` with an optional ``spectral_norm``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.effective_weight())


@dataclass(frozen=True)
class Layers:
    """Makes layers of one kind: orthogonal weights, zero biases, spectral norm if asked."""

    spectral_norm: bool = False

    def _finish(self, layer: _Weighted) -> None:
        nn.init.orthogonal_(layer.weight)
        bias = getattr(layer, "bias", None)
        if bias is not None:
            nn.init.zeros_(bias)
        layer.spectral_norm = None
        if self.spectral_norm:
            transposed = isinstance(layer, ConvTranspose2d)
            layer.spectral_norm = SpectralNorm(layer.weight, transposed)

    def conv2d(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> Conv2d:
        layer = Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=bias)
        self._finish(layer)
        return layer

    def conv_transpose2d(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, padding: int
    ) -> ConvTranspose2d:
        layer = ConvTranspose2d(in_channels, out_channels, kernel_size, stride, padding)
        self._finish(layer)
        return layer

    def linear(self, in_features: int, out_features: int, bias: bool = True) -> Linear:
        layer = Linear(in_features, out_features, bias=bias)
        self._finish(layer)
        return layer

    def embedding(self, num_embeddings: int, embedding_dim: int) -> Embedding:
        layer = Embedding(num_embeddings, embedding_dim)
        self._finish(layer)
        return layer


def _spectral_layers(network: nn.Module) -> list[_Weighted]:
    return [
        module
        for module in network.modules()
        if isinstance(module, _Weighted) and module.spectral_norm is not None
    ]


def _gathered(layers: list[_Weighted]) -> _NormGroup:
    norms = [layer.spectral_norm for layer in layers if layer.spectral_norm is not None]
    return _NormGroup(norms, [layer.weight for layer in layers])


def power_iteration(network: nn.Module) -> None:
    """One power iteration of every spectrally normalised layer."""
    if layers := _spectral_layers(network):
        _gathered(layers).iterate()


@contextmanager
def shared_weights(network: nn.Module, iterate: bool = True) -> Iterator[None]:
    """Within this context every spectrally normalised weight is computed once and shared.

    All passes inside see the same normalised weights, and one backward may run through them.
    ``iterate`` makes one power iteration first, where the network is in training mode.
    """
    layers = _spectral_layers(network)
    try:
        if layers:
            weights = _gathered(layers)
            if iterate and network.training:
                weights.iterate()
            for layer, weight in zip(layers, weights.normalized(), strict=True):
                layer._shared = weight
        yield
    finally:
        for layer in layers:
            layer._shared = None
