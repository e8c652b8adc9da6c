"""Convolution, linear and embedding layers, plain or spectrally normalised.

Generators, trunks and heads are all built from these.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

from contragan.models.layers.spectral_norm import NormGroup, SpectralNorm


class Reformulated(nn.Module):
    """A module that computes its result in a faster form than the usual one, which is ``plain``."""

    plain = False


def set_plain(network: nn.Module) -> None:
    """Make every module compute its result in the usual form: equal except for rounding."""
    for module in network.modules():
        if isinstance(module, Reformulated):
            module.plain = True


class _Weighted(nn.Module):
    """A layer whose forward reads its weight through :meth:`effective_weight`."""

    weight: Tensor
    spectral_norm: SpectralNorm | None
    _shared: Tensor | None = None

    def share(self, weight: Tensor | None) -> None:
        """Make passes use this normalised weight; None: compute it themselves again."""
        object.__setattr__(self, "_shared", weight)  # nn.Module's takes ten times as long

    def effective_weight(self) -> Tensor:
        """The weight as the forward pass uses it: spectrally normalised where the layer is.

        In training mode each call makes one power iteration, unless :class:`SharedWeights`
        are open.
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
        weight = self.effective_weight()
        return F.conv_transpose2d(input, weight, self.bias, self.stride, self.padding)  # type: ignore[arg-type]


class Linear(_Weighted, nn.Linear):
    """``nn.Linear`` with an optional ``spectral_norm``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.effective_weight(), self.bias)


class Embedding(_Weighted, nn.Embedding):
    """``nn.Embedding`` with an optional ``spectral_norm``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.effective_weight())


_Layer = TypeVar("_Layer", bound=_Weighted)


@dataclass(frozen=True)
class Layers:
    """Makes layers of one kind: orthogonal weights, zero biases, spectral norm if asked."""

    spectral_norm: bool = False

    def _finish(self, layer: _Layer) -> _Layer:
        if not layer.weight.is_meta:  # without storage there is nothing to draw, which takes long
            nn.init.orthogonal_(layer.weight)
        bias = getattr(layer, "bias", None)
        if bias is not None:
            nn.init.zeros_(bias)
        layer.spectral_norm = None
        if self.spectral_norm:
            transposed = isinstance(layer, ConvTranspose2d)
            layer.spectral_norm = SpectralNorm(layer.weight, transposed)
        return layer

    def conv2d(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> Conv2d:
        return self._finish(
            Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=bias)
        )

    def conv_transpose2d(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, padding: int
    ) -> ConvTranspose2d:
        return self._finish(
            ConvTranspose2d(in_channels, out_channels, kernel_size, stride, padding)
        )

    def linear(self, in_features: int, out_features: int, bias: bool = True) -> Linear:
        return self._finish(Linear(in_features, out_features, bias=bias))

    def embedding(self, num_embeddings: int, embedding_dim: int) -> Embedding:
        return self._finish(Embedding(num_embeddings, embedding_dim))


class SharedWeights:
    """A network's spectrally normalised weights, computed once for all passes of an update.

    It remembers the layers and views of their weights, so keep it: finding them takes longer than a
    power iteration of small layers.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.layers = [
            module
            for module in network.modules()
            if isinstance(module, _Weighted) and module.spectral_norm is not None
        ]
        self._group: NormGroup | None = None

    def _current(self) -> NormGroup:
        """The norms with views of the weights, which may have moved in memory since."""
        weights: list[Tensor] = [layer.weight for layer in self.layers]
        if self._group is None or not self._group.holds(weights):
            norms = [layer.spectral_norm for layer in self.layers if layer.spectral_norm]
            self._group = NormGroup(norms, weights)
        return self._group

    def iterate(self) -> None:
        """One power iteration of every layer."""
        if self.layers:
            self._current().iterate()

    @contextmanager
    def __call__(self, iterate: bool = True) -> Iterator[None]:
        """Within this context all passes see the same normalised weights.

        One backward may run through them all. ``iterate`` makes one power iteration first, where
        the network is in training mode.
        """
        if not self.layers:
            yield
            return
        try:
            weights = self._current().normalized(iterate and self.network.training)
            for layer, weight in zip(self.layers, weights, strict=True):
                # One function normalises all weights: those of frozen layers need no gradient.
                is_trained = layer.weight.requires_grad or not weight.requires_grad
                layer.share(weight if is_trained else weight.detach())
            yield
        finally:
            for layer in self.layers:
                layer.share(None)
