"""What share of a run's time its signals take, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from contragan.recipes.schema import load_recipe
from contragan.training.cost import Cost
from contragan.training.watch import Watch


class Clock:
    """A clock that goes on only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Meter:
    """Takes so many seconds for each measurement."""

    device = torch.device("cpu")

    def __init__(self, clock: Clock, seconds: list[float]) -> None:
        self.clock, self.seconds = clock, iter(seconds)

    def measure(self, iteration: int) -> list[dict[str, Any]]:
        self.clock.now += next(self.seconds)
        return []


class Log:
    def record(self, record: dict[str, Any]) -> None:
        raise AssertionError("nothing is measured")


def told(seconds: list[float], each: float, every: int = 10) -> list[str]:
    """What a run says whose iterations take ``each`` seconds."""
    clock = Clock()
    lines: list[str] = []
    recipe = load_recipe("digits/projgan", [f"training.stability_every_iterations={every}"])
    watch = Watch(recipe, Meter(clock, seconds), cost=Cost(clock))  # type: ignore[arg-type]
    for iteration in range(1, every * len(seconds) + 1):
        clock.now += each
        watch.after(iteration, Log(), lines.append)  # type: ignore[arg-type]
    return lines


def test_a_cadence_that_costs_too_much_is_told_once_with_one_that_does_not() -> None:
    (line,) = told([60.0, 1.0, 2.0, 3.0, 9.0, 9.0], each=1.0)
    # 2 s for each measurement, so that 98 s must lie between two.
    assert line == (
        "note: the signals of stability take 16.7% of the time: "
        "training.stability_every_iterations=98 keeps them below 2%"
    )
    (line,) = told([60.0, 1.0, 2.0, 3.0, 9.0, 9.0], each=0.1)
    assert "training.stability_every_iterations=980 keeps" in line
    assert not told([60.0, 1.0, 2.0, 3.0], each=1.0, every=99)
    assert told([60.0, 1.0, 2.0, 3.0], each=1.0, every=97)


def test_too_few_measurements_say_nothing() -> None:
    assert not told([9.0, 9.0, 9.0], each=1.0)


def test_the_advised_interval_is_rounded_up() -> None:
    clock = Clock()
    cost = Cost(clock)
    for _ in range(4):
        clock.now += 7.0
        with cost.measuring(torch.device("cpu")):
            clock.now += 0.5
    assert cost.share() == pytest.approx(0.5 / 7.5)
    assert cost.enough(1000) == 3500
    assert cost.enough(1010) == 3600
