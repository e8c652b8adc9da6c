"""Convolution, linear and embedding layers, plain or spectrally normalised.

Trunks and heads both build from these, so they stand below networks and conditioning.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SPECTRAL_NORM_EPS = 1e-6


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
        rows, columns = self.matrix(weight.detach()).shape
        self.register_buffer("u", F.normalize(torch.randn(rows), dim=0, eps=SPECTRAL_NORM_EPS))
        self.register_buffer("v", F.normalize(torch.randn(columns), dim=0, eps=SPECTRAL_NORM_EPS))
        # A random pair underestimates sigma by far: evaluated untrained, weights would explode.
        self.iterate(weight)

    def matrix(self, weight: Tensor) -> Tensor:
        """``weight`` as a matrix (rows, columns)."""
        return (weight.transpose(0, 1) if self.transposed else weight).flatten(1)

    @torch.no_grad()
    def iterate(self, weight: Tensor) -> None:
        """One power iteration on ``weight``."""
        with _full_precision(weight):
            matrix = self.matrix(weight)
            self.v.copy_(F.normalize(torch.mv(matrix.t(), self.u), dim=0, eps=SPECTRAL_NORM_EPS))
            self.u.copy_(F.normalize(torch.mv(matrix, self.v), dim=0, eps=SPECTRAL_NORM_EPS))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight divided by the current estimate of its largest singular value."""
        with _full_precision(weight):
            # Cloned, so that a later iteration cannot change what backward needs.
            u, v = self.u.clone(), self.v.clone()
            return weight / torch.dot(u, torch.mv(self.matrix(weight), v))


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
    """``nn.ConvTranspose2d`` with an optional ``spectral_norm``, whose rows are output channels."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return F.conv_transpose2d(
            input,
            self.effective_weight(),
            self.bias,
            self.stride,
            self.padding,  # type: ignore[arg-type]
        )


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


@torch.no_grad()
def power_iteration(network: nn.Module) -> None:
    """One power iteration of every spectrally normalised layer, batched over equal shapes."""
    groups: dict[torch.Size, list[tuple[SpectralNorm, Tensor]]] = defaultdict(list)
    for layer in _spectral_layers(network):
        assert layer.spectral_norm is not None
        matrix = layer.spectral_norm.matrix(layer.weight)
        groups[matrix.shape].append((layer.spectral_norm, matrix))
    for group in groups.values():
        norms = [norm for norm, _ in group]
        stack = torch.stack([matrix for _, matrix in group])
        u = torch.stack([norm.u for norm in norms]).unsqueeze(2)
        with _full_precision(u):
            v = F.normalize(stack.transpose(1, 2) @ u, dim=1, eps=SPECTRAL_NORM_EPS)
            u = F.normalize(stack @ v, dim=1, eps=SPECTRAL_NORM_EPS)
        torch._foreach_copy_([norm.u for norm in norms], list(u.squeeze(2).unbind()))
        torch._foreach_copy_([norm.v for norm in norms], list(v.squeeze(2).unbind()))


@contextmanager
def shared_weights(network: nn.Module, iterate: bool = True) -> Iterator[None]:
    """Within this context every spectrally normalised weight is computed once and shared.

    All passes inside see the same normalised weights, and one backward may run through them.
    ``iterate`` makes one power iteration first, where the network is in training mode.
    """
    layers = _spectral_layers(network)
    if iterate and network.training:
        power_iteration(network)
    try:
        for layer in layers:
            assert layer.spectral_norm is not None
            layer._shared = layer.spectral_norm(layer.weight)
        yield
    finally:
        for layer in layers:
            layer._shared = None
