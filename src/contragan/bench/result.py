"""What a measurement found."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, field
from statistics import fmean, median
from typing import Any

import torch

from contragan.bench.profile import Operator


@dataclass
class Times:
    """Seconds of each iteration, by part; a D step's are those of one update."""

    data: list[float] = field(default_factory=list)
    discriminator: list[float] = field(default_factory=list)
    generator: list[float] = field(default_factory=list)
    ema: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class BenchResult:
    """What was measured; times are medians over iterations, in seconds."""

    recipe: str
    batch_size: int
    images: int
    """Real images that an iteration sees."""
    iterations: int
    precision: str
    times: Times
    reference: Times
    discriminator_steps: int
    flops: int
    """Floating-point operations of our D steps and G step, of one iteration."""
    reference_flops: int
    matmul_flops_per_second: float
    peak_memory_bytes: int | None
    estimated_memory_bytes: int
    synthetic: bool
    device: str
    threads: int
    total_iterations: int
    """Of a whole run of the recipe."""
    operators: list[Operator] = field(default_factory=list)
    """Where the time of an iteration goes, if that was asked for."""

    @property
    def d_step_seconds(self) -> float:
        return median(self.times.discriminator)

    @property
    def g_step_seconds(self) -> float:
        return median(self.times.generator)

    @property
    def reference_d_step_seconds(self) -> float:
        return median(self.reference.discriminator)

    @property
    def reference_g_step_seconds(self) -> float:
        return median(self.reference.generator)

    @property
    def step_seconds(self) -> float:
        """All D steps and the G step of an iteration."""
        return self.discriminator_steps * self.d_step_seconds + self.g_step_seconds

    @property
    def outside_steps_share(self) -> float:
        """Share of an iteration's time that is neither a D nor a G step, over all of them."""
        steps = self.discriminator_steps * fmean(self.times.discriminator)
        return 1 - (steps + fmean(self.times.generator)) / fmean(self.times.total)

    @property
    def iterations_per_second(self) -> float:
        return 1 / median(self.times.total)

    @property
    def run_seconds(self) -> float:
        """What all iterations of a whole run would take here; evaluations are not counted."""
        return self.total_iterations * fmean(self.times.total)

    @property
    def flops_per_second(self) -> float:
        """What our steps achieve, counting the operations that they make."""
        return self.flops / self.step_seconds

    def split_seconds(self) -> dict[str, float]:
        """An iteration's time by part: means, which add up."""
        split = {
            "data": fmean(self.times.data),
            "discriminator": self.discriminator_steps * fmean(self.times.discriminator),
            "generator": fmean(self.times.generator),
            "ema": fmean(self.times.ema),
        }
        return split | {"other": fmean(self.times.total) - sum(split.values())}

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "recipe": self.recipe,
            "batch_size": self.batch_size,
            "discriminator_steps": self.discriminator_steps,
            "iterations": self.iterations,
            "d_step_seconds": self.d_step_seconds,
            "g_step_seconds": self.g_step_seconds,
            "reference_d_step_seconds": self.reference_d_step_seconds,
            "reference_g_step_seconds": self.reference_g_step_seconds,
            "d_speedup": self.reference_d_step_seconds / self.d_step_seconds,
            "g_speedup": self.reference_g_step_seconds / self.g_step_seconds,
            "iterations_per_second": self.iterations_per_second,
            "total_iterations": self.total_iterations,
            "run_seconds": self.run_seconds,
            "images_per_second": self.images * self.iterations_per_second,
            "split_seconds": self.split_seconds(),
            "outside_steps_share": self.outside_steps_share,
            "flops_per_iteration": self.flops,
            "reference_flops_per_iteration": self.reference_flops,
            "flops_per_second": self.flops_per_second,
            "matmul_flops_per_second": self.matmul_flops_per_second,
            "peak_memory_bytes": self.peak_memory_bytes,
            "estimated_memory_bytes": self.estimated_memory_bytes,
            "precision": self.precision,
            "synthetic_data": self.synthetic,
            "device": self.device,
            "threads": self.threads,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "operators": [asdict(operator) for operator in self.operators],
        }
