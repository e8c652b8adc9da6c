"""Where a training's time goes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Seconds:
    """Wall time of the iterations so far, by part."""

    data: float = 0.0
    discriminator: float = 0.0
    generator: float = 0.0
    ema: float = 0.0
    total: float = 0.0
    iterations: int = 0
    evaluation: float | None = None
    """Of the last evaluation; None before there was one."""

    def outside_steps(self) -> float:
        """Share of an iteration's time that is not spent in the D and G steps."""
        return 1 - (self.discriminator + self.generator) / self.total
