"""Sharing one evaluation among processes, so that the result equals a single process's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, distributed

from contragan.core.errors import ToldByFirst, UserError
from contragan.metrics.frechet import Moments


@dataclass(frozen=True)
class Ranks:
    """This process's place among ``world`` processes; ``device`` is where they communicate."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"

    @classmethod
    def current(cls) -> Ranks:
        """The place in the initialised default process group, or alone where there is none."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls()
        on_gpu = "nccl" in str(distributed.get_backend())
        device = f"cuda:{torch.cuda.current_device()}" if on_gpu else "cpu"
        return cls(distributed.get_rank(), distributed.get_world_size(), device)

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
        distributed.all_reduce(scatter)
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
        distributed.all_gather_object(kinds, kind)
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
            distributed.all_gather_object(problems, problem)
        for found in problems:
            if found is not None:
                raise ToldByFirst(found) if self.rank else UserError(found)

    def _gather(self, value: Tensor) -> Tensor:
        """Values (1, ...) of all ranks as (world, ...), on the CPU."""
        if self.world == 1:
            return value.cpu()
        value = value.to(self.device).contiguous()
        parts = [torch.empty_like(value) for _ in range(self.world)]
        distributed.all_gather(parts, value)
        return torch.cat(parts).cpu()
