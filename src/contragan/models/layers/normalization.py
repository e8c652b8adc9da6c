"""Batch norm, conditional batch norm, and the choice of norm in a trunk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from contragan.core.processes import mean_over_processes, world_size
from contragan.models.layers.factory import Layers

TrunkNormalization = Literal["batch", "layer", "none"]
"""The norm in a trunk's blocks. ``layer`` is per sample, so gradient penalties may use it."""


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm that takes its statistics over all processes within :func:`synchronized`.

    PyTorch's own synchronised norm runs on GPUs only. Value and gradient are those of one process
    with the whole batch (gradients averaged over processes, as in data-parallel training). Every
    process must pass the same shape.
    """

    synchronized = False

    def forward(self, input: Tensor) -> Tensor:
        if not (self.synchronized and self.training and world_size() > 1):
            return super().forward(input)
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        mean = mean_over_processes(x.mean((0, 2, 3), keepdim=True))
        centred = x - mean
        variance = mean_over_processes(centred.square().mean((0, 2, 3), keepdim=True))
        self._keep(mean.flatten(), variance.flatten(), world_size() * x[:, 0].numel())
        result = centred * (variance + self.eps).rsqrt()
        if self.affine:
            result = result * self.weight[:, None, None] + self.bias[:, None, None]
        return result.to(input.dtype)

    @torch.no_grad()
    def _keep(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        momentum = self.momentum
        assert momentum is not None  # every network here has one
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * count / (count - 1), momentum)


@contextmanager
def synchronized(network: nn.Module) -> Iterator[None]:
    """Within this context the network's batch norms share their statistics across processes."""
    norms = [module for module in network.modules() if isinstance(module, BatchNorm2d)]
    try:
        for norm in norms:
            norm.synchronized = True
        yield
    finally:
        for norm in norms:
            norm.synchronized = False


class ConditionalBatchNorm2d(nn.Module):
    """Batch norm whose gain ``1 + g`` and bias are linear in a condition.

    Shapes: x (B, C, H, W), condition (B, N) to (B, C, H, W). ``bn`` is a
    batch norm without affine parameters, so that code which re-estimates statistics finds it.

    Source: de Vries et al. 2017; the form with two bias-free linear layers is BigGAN's (Brock et
    al. 2019, Appendix C).
    """

    def __init__(
        self, channels: int, condition_dim: int, *, layers: Layers, eps: float, momentum: float
    ) -> None:
        super().__init__()
        self.bn = BatchNorm2d(channels, eps=eps, momentum=momentum, affine=False)
        self.gain = layers.linear(condition_dim, channels, bias=False)
        self.bias = layers.linear(condition_dim, channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        normalized = self.bn(x)
        # Without the cast a float32 gain would make every later activation float32 under autocast.
        gain = self.gain(condition).add(1).to(normalized.dtype)
        bias = self.bias(condition).to(normalized.dtype)
        return torch.addcmul(bias[:, :, None, None], normalized, gain[:, :, None, None])


def trunk_norm(
    kind: TrunkNormalization, channels: int, *, eps: float, momentum: float
) -> nn.Module:
    """The norm of a trunk's block over ``channels``."""
    if kind == "batch":
        return BatchNorm2d(channels, eps=eps, momentum=momentum)
    if kind == "layer":
        return nn.GroupNorm(1, channels, eps=eps)
    return nn.Identity()


def has_batch_statistics(network: nn.Module) -> bool:
    """Whether a sample's output depends on the rest of its batch in training mode."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())
