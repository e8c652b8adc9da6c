"""What a loss needs to compare samples that lie on several processes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def world_size() -> int:
    """Number of processes that train together; 1 outside a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's index among them; 0 outside a process group."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        parts = [torch.empty_like(local) for _ in range(world_size())]
        dist.all_gather(parts, local.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # Every process has a loss that depends on this process's samples: their gradients add up.
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total.chunk(world_size())[rank()]


def gather(local: Tensor) -> Tensor:
    """All processes' tensors, concatenated in rank order along the first dimension.

    The backward sums the gradient over processes. With each process averaging over its own
    samples and the gradients averaged over processes afterwards, as data-parallel training does,
    the result is exactly the gradient of the single-process loss on the whole batch. Every process
    must pass the same shape.
    """
    if world_size() == 1:
        return local
    gathered: Tensor = _Gather.apply(local)
    return gathered


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        total = local.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # Every process's loss depends on the sum; a function itself, so that it has a gradient.
        total: Tensor = _Sum.apply(gradients[0])
        return total


def mean_over_processes(local: Tensor) -> Tensor:
    """The mean of all processes' tensors, with a gradient in the sense of :func:`gather`."""
    if world_size() == 1:
        return local
    total: Tensor = _Sum.apply(local)
    return total / world_size()


def share_buffers(network: nn.Module) -> None:
    """Give every process the first one's buffers: each has seen other batches' statistics."""
    if world_size() > 1:
        for buffer in network.buffers():
            dist.broadcast(buffer, 0)


def largest(numbers: list[int], device: torch.device) -> list[int]:
    """The largest of all processes' numbers, place by place; they talk through ``device``."""
    if world_size() == 1:
        return numbers
    found = torch.tensor(numbers, device=device)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return [int(number) for number in found.tolist()]
