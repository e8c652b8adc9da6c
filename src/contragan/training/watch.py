"""Measures a training's stability when it is due, and says when to end a collapsed one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from contragan.core.processes import largest
from contragan.recipes.schema import Recipe
from contragan.runs.log import MetricsLog
from contragan.training.cost import MOST, Cost
from contragan.training.guard import Finding, History, collapses, overfitted_at
from contragan.training.remedy import remedy
from contragan.training.stability import StabilityMeter

COLLAPSED = 3
"""Exit code of a training that the collapse guard ended."""

Tell = Callable[[str], None]


@dataclass
class Watch:
    """What the loop asks before and after each iteration, and tells of each evaluation.

    Only the first process has a ``meter``, and a ``history`` that grows. ``recipe`` None watches
    nothing.
    """

    recipe: Recipe | None = None
    meter: StabilityMeter | None = None
    history: History = field(default_factory=History)
    collapse: Finding | None = None
    """Why the training was told to end; on the first process."""
    cost: Cost = field(default_factory=Cost)
    _told: set[str] = field(default_factory=set)
    _looked: bool = False

    def recall(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Take in the log of a run that goes on."""
        self.history = History.of(records)

    def before(self, iteration: int) -> None:
        """Have the gradients of an iteration measured, where it is due."""
        if self.meter is not None:
            self.meter.gradients.wanted = self._due(iteration)

    def after(self, iteration: int, log: MetricsLog | None, tell: Tell) -> None:
        """Measure after an iteration, where it is due, and write it down."""
        if not self._due(iteration):
            return
        self._looked = True
        if self.meter is not None and log is not None:
            with self.cost.measuring(self.meter.device):
                records = self.meter.measure(iteration)
            for record in records:
                log.record(record)
            self._judge(records, tell)
            self._tell_cost(tell)

    def evaluated(self, records: Iterable[Mapping[str, Any]], tell: Tell) -> None:
        """Take in an evaluation's records."""
        if self.recipe is not None:
            self._looked = True
            self._judge(records, tell)

    def reason(self, device: torch.device) -> str | None:
        """Why to end the training now, or None; all processes give the same answer."""
        looked, self._looked = self._looked, False
        if not looked or self._choice in ("ignore", "warn"):
            return None
        if not largest([int(self.collapse is not None)], device)[0]:
            return None
        says = "" if self.collapse is None else f": {self.collapse.says}"
        return f"stopped by the collapse guard{says}"

    @property
    def ended(self) -> bool:
        """Whether the guard has ended the training, as the first process knows."""
        return self.collapse is not None

    @property
    def _choice(self) -> str:
        return "ignore" if self.recipe is None else self.recipe.training.on_collapse

    @property
    def _every(self) -> int | None:
        return None if self.recipe is None else self.recipe.training.stability_every_iterations

    def _due(self, iteration: int) -> bool:
        return self._every is not None and iteration % self._every == 0

    def _tell_cost(self, tell: Tell) -> None:
        """Say once where measuring takes more of the time than it should."""
        if self._every is None or "cost" in self._told:
            return
        share = self.cost.share()
        if share is not None:
            self._told.add("cost")
            if share > MOST:
                tell(
                    f"note: the signals of stability take {share:.1%} of the time: "
                    f"training.stability_every_iterations={self.cost.enough(self._every)} keeps "
                    f"them below {MOST:.0%}"
                )

    def _judge(self, records: Iterable[Mapping[str, Any]], tell: Tell) -> None:
        for record in records:
            self.history.add(record)
        if self.recipe is None or self._choice == "ignore":
            return
        overfitted = overfitted_at(self.history)
        if overfitted is not None and "overfitted" not in self._told:
            self._told.add("overfitted")
            tell(
                f"note: the discriminator has overfitted since iteration {overfitted}: it takes "
                "training images for real far more often than held-out ones"
            )
        for finding in collapses(self.history):
            if finding.kind not in self._told:
                self._told.add(finding.kind)
                tell(f"warning: collapse since iteration {finding.iteration}: {finding.says}")
                tell(f"note: {remedy(finding, self.recipe)}")
            if self._choice != "warn" and self.collapse is None:
                self.collapse = finding
                tell(
                    "note: going on with the same settings leads to the same collapse: begin a new "
                    "run with others, or go on with --set training.on_collapse=warn"
                )
