"""Several processes that train or evaluate together: what they share, and how."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from contragan.core.errors import ToldByFirst, UserError
from contragan.core.gaussian import Moments


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


@dataclass(frozen=True)
class Ranks:
    """This process's place among ``world`` processes; ``device`` is where they communicate."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"

    @classmethod
    def current(cls) -> Ranks:
        """The place in the initialised default process group, or alone where there is none."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        on_gpu = "nccl" in str(dist.get_backend())
        device = f"cuda:{torch.cuda.current_device()}" if on_gpu else "cpu"
        return cls(dist.get_rank(), dist.get_world_size(), device)

    def share(self, count: int, batch_size: int) -> list[tuple[int, int]]:
        """This rank's batches (start, stop): a contiguous part of those a single process makes."""
        batches = [(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]
        first = self.rank * len(batches) // self.world
        last = (self.rank + 1) * len(batches) // self.world
        return batches[first:last]

    def merge(self, moments: Moments) -> Moments:
        """Moments of all ranks' samples, equal on every rank."""
        if self.world == 1:
            return moments
        counts = self._gather(torch.tensor([moments.count]))
        means = self._gather(moments.mean[None])
        merged = Moments(len(moments.mean))
        merged.count = int(counts.sum())
        merged.mean = (counts[:, None] * means).sum(0) / merged.count
        # Each rank moves its scatter to the common mean; the sum is then the whole set's.
        offset = moments.mean.cpu() - merged.mean
        scatter = moments.scatter.cpu() + moments.count * torch.outer(offset, offset)
        scatter = scatter.to(self.device)
        dist.all_reduce(scatter)
        merged.scatter = scatter.cpu()
        return merged

    def concatenate(self, rows: np.ndarray) -> np.ndarray:
        """All ranks' rows (n, ...) in rank order, on every rank.

        A rank without any may pass an empty array of whatever shape and type.
        """
        if self.world == 1:
            return rows
        kinds: list[tuple[tuple[int, ...], str] | None] = [None] * self.world
        kind = (rows.shape[1:], rows.dtype.str) if len(rows) else None
        dist.all_gather_object(kinds, kind)
        if kind is None and (others := [known for known in kinds if known is not None]):
            shape, dtype = others[0]
            rows = np.zeros((0, *shape), dtype)
        counts = self._gather(torch.tensor([len(rows)])).tolist()
        padded = torch.zeros(max(counts), *rows.shape[1:], dtype=torch.from_numpy(rows[:0]).dtype)
        padded[: len(rows)] = torch.from_numpy(rows)
        parts = self._gather(padded[None])
        return np.concatenate([parts[rank, :count] for rank, count in enumerate(counts)])

    def all_agree(self, flag: bool) -> bool:
        """Whether ``flag`` holds on every rank."""
        return bool(self._gather(torch.tensor([int(flag)])).min())

    @contextmanager
    def fail_together(self) -> Iterator[None]:
        """A UserError inside on any rank becomes one on all, so that none waits for another."""
        problem: str | None = None
        try:
            yield
        except UserError as error:
            problem = str(error)
        problems: list[str | None] = [problem]
        if self.world > 1:
            problems = [None] * self.world
            dist.all_gather_object(problems, problem)
        for found in problems:
            if found is not None:
                raise ToldByFirst(found) if self.rank else UserError(found)

    def _gather(self, value: Tensor) -> Tensor:
        """Values (1, ...) of all ranks as (world, ...), on the CPU."""
        if self.world == 1:
            return value.cpu()
        value = value.to(self.device).contiguous()
        parts = [torch.empty_like(value) for _ in range(self.world)]
        dist.all_gather(parts, value)
        return torch.cat(parts).cpu()
