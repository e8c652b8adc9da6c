"""Which operators a step spends its time in."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity


@dataclass(frozen=True)
class Operator:
    """Calls and seconds of one operator in an iteration, without the operators that it calls."""

    name: str
    calls: float
    seconds: float


def operators(
    iterate: Callable[[], object], iterations: int, device: torch.device
) -> list[Operator]:
    """The operators of some iterations, the longest first: on a GPU its kernels."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it reports that it looked for a GPU
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(iterations):
            iterate()
    found = [
        Operator(
            event.key.removeprefix("aten::"),
            event.count / iterations,
            (event.self_device_time_total if on_gpu else event.self_cpu_time_total)
            / (1e6 * iterations),
        )
        for event in profile.key_averages()
        # Kernels are events of their own on a GPU, beside the operators that launch them.
        if (event.device_type.name == "CUDA") == on_gpu and not event.is_user_annotation
    ]
    spent = [operator for operator in found if operator.seconds > 0]
    return sorted(spent, key=lambda operator: -operator.seconds)
