"""Spectral normalisation of weights by power iteration, of many layers at once."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

SPECTRAL_NORM_EPS = 1e-6


def _full_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """Autocast off, where the tensor's device has it; the meta device does not."""
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
        return not self.transposed and _is_channels_last(weight)

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
        """The inverse of :meth:`matrix`: ``matrix`` as a tensor of ``like``'s shape."""
        if self.transposed:
            return matrix.view(like.transpose(0, 1).shape).transpose(0, 1)
        if self._channels_come_last(like):
            return matrix.view(like.movedim(1, -1).shape).movedim(-1, 1)
        return matrix.view(like.shape)

    def iterate(self, weight: Tensor) -> None:
        """One power iteration on ``weight``."""
        NormGroup([self], [weight]).iterate()

    def forward(self, weight: Tensor) -> Tensor:
        """The weight divided by the current estimate of its largest singular value."""
        return NormGroup([self], [weight]).normalized()[0]


def _is_channels_last(weight: Tensor) -> bool:
    """Whether a weight (O, I, H, W) lies in memory as (O, H, W, I)."""
    return weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last)


class NormGroup:
    """Several weights and their norms, normalised in one call instead of one call per weight.

    ``matrices`` and ``columns`` are the weights and the right singular vectors as matrices: views
    of them, or copies where a weight's memory format does not allow a view.
    """

    def __init__(self, norms: list[SpectralNorm], weights: list[Tensor]) -> None:
        self.norms, self.weights = norms, weights
        with torch.no_grad():
            self.matrices = [norm.matrix(w, w) for norm, w in zip(norms, weights, strict=True)]
            self.columns = [norm.columns(w) for norm, w in zip(norms, weights, strict=True)]

    def holds(self, weights: list[Tensor]) -> bool:
        """Whether these are the weights, and all matrices and columns are still views."""
        return all(
            weight is mine and matrix.data_ptr() == weight.data_ptr()
            for weight, mine, matrix in zip(weights, self.weights, self.matrices, strict=True)
        ) and all(
            column.data_ptr() == norm.v.data_ptr()
            for column, norm in zip(self.columns, self.norms, strict=True)
        )

    @torch.no_grad()
    def iterate(self) -> list[Tensor]:
        """One power iteration of each norm on its weight; returns the singular values."""
        rows = [norm.u for norm in self.norms]
        with _full_precision(self.weights[0]):
            v = [torch.mv(m.t(), u) for m, u in zip(self.matrices, rows, strict=True)]
            _normalize(v)
            u = [torch.mv(m, x) for m, x in zip(self.matrices, v, strict=True)]
            sigmas = _normalize(u)
        torch._foreach_copy_(rows, u)
        found = [x.view(view.shape) for x, view in zip(v, self.columns, strict=True)]
        torch._foreach_copy_(self.columns, found)
        return sigmas

    def normalized(self, iterate: bool = False) -> tuple[Tensor, ...]:
        """Each weight divided by the current estimate of its largest singular value."""
        sigmas = self.iterate() if iterate else None
        normalized: tuple[Tensor, ...] = _Normalize.apply(self, sigmas, *self.weights)
        return normalized


def _normalize(vectors: list[Tensor]) -> list[Tensor]:
    """Divide the vectors by their lengths, in place; returns the lengths."""
    lengths = torch.stack(torch._foreach_norm(vectors))
    torch._foreach_div_(vectors, lengths.clamp_min(SPECTRAL_NORM_EPS).unbind())
    return list(lengths.unbind())


class _Normalize(torch.autograd.Function):
    """W / sigma of many weights at once, sigma = u^T W v.

    The gradient of W is (G - <G, W / sigma> u v^T) / sigma for a gradient G of W / sigma.
    """

    @staticmethod
    def forward(
        ctx: Any, given: NormGroup, sigmas: list[Tensor] | None, *weights: Tensor
    ) -> tuple[Tensor, ...]:
        norms = given.norms
        with _full_precision(weights[0]):
            # Copied, so that a later iteration cannot change what backward needs.
            vectors = [norm.u for norm in norms] + [view.flatten() for view in given.columns]
            vectors = list(torch.split(torch.cat(vectors), [len(vector) for vector in vectors]))
            u, v = vectors[: len(norms)], vectors[len(norms) :]
            if sigmas is None:
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
        return (None, None, *results)
