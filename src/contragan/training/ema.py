"""Exponential moving average of the generator's weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from contragan.models import Generator
from contragan.recipes.schema import EMAConfig

_AVERAGED_BUFFERS = {"running_mean", "running_var"}


class EMA:
    """Keeps ``average``, a generator whose weights follow another's.

    Before ``start_iteration`` it is a plain copy. Batch-norm statistics are averaged as the weights
    are; other buffers (singular vectors, counters) are copied.
    """

    def __init__(self, generator: Generator, config: EMAConfig) -> None:
        self.config = config
        self.average: Generator = copy.deepcopy(generator).eval().requires_grad_(False)
        self._target: list[Tensor] = list(self.average.parameters())
        self._source: list[Tensor] = list(generator.parameters())
        self._copied: list[tuple[Tensor, Tensor]] = []
        for (name, target), source in zip(
            self.average.named_buffers(), generator.buffers(), strict=True
        ):
            if name.rpartition(".")[2] in _AVERAGED_BUFFERS:
                self._target.append(target)
                self._source.append(source)
            else:
                self._copied.append((target, source))

    @torch.no_grad()
    def update(self, iteration: int) -> None:
        """Follow the generator after update number ``iteration``, counted from 1."""
        if iteration <= self.config.start_iteration:
            torch._foreach_copy_(self._target, self._source)
        else:
            torch._foreach_lerp_(self._target, self._source, 1 - self.config.decay)
        for target, source in self._copied:
            target.copy_(source)
