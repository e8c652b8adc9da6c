"""Which batch-norm statistics a generator uses while it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

BatchNormMode = Literal["running", "batch", "standing"]


@contextmanager
def evaluation_mode(
    network: nn.Module,
    mode: BatchNormMode,
    *,
    forward: Callable[[], object] | None = None,
    batches: int = 16,
) -> Iterator[None]:
    """Puts ``network`` in evaluation mode and leaves it exactly as it was, even after an error.

    ``running`` uses the moving averages of training; ``batch`` those of each batch that passes
    (the result then depends on the batch size); ``standing`` the mean over ``batches`` calls of
    ``forward``, which must send one batch of fresh samples through the network (Brock et al. 2019,
    Appendix D). Only batch-norm layers ever leave evaluation mode, so spectral-norm vectors stay.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    training = {module: module.training for module in network.modules()}
    momenta = [norm.momentum for norm in norms]
    buffers = [(buffer, buffer.clone()) for norm in norms for buffer in norm.buffers(recurse=False)]
    try:
        network.eval()
        if mode == "batch":
            for norm in norms:
                norm.train()
        elif mode == "standing" and norms:
            if forward is None or batches < 1:
                raise ValueError("standing statistics need a forward function and >= 1 batches")
            _accumulate(norms, forward, batches)
        yield
    finally:
        for module, was_training in training.items():
            module.training = was_training
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        _restore(buffers)


@torch.no_grad()
def _accumulate(norms: list[_BatchNorm], forward: Callable[[], object], batches: int) -> None:
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's cumulative average
        norm.train()
    for _ in range(batches):
        forward()
    for norm in norms:
        norm.eval()


@torch.no_grad()
def _restore(buffers: list[tuple[Tensor, Tensor]]) -> None:
    for buffer, saved in buffers:
        buffer.copy_(saved)
