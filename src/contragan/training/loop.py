"""The loop: iterations, and what happens between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from contragan.recipe import TrainingConfig
from contragan.runs.checkpoint import mark_best, prune, save_checkpoint, snapshot
from contragan.runs.log import MetricsLog
from contragan.runs.writer import Writer
from contragan.training.display import Display
from contragan.training.ema import EMA
from contragan.training.step import Step
from contragan.training.stop import Stop
from contragan.training.terms import TermMeter


@dataclass(frozen=True)
class Score:
    """An evaluation: the value that ranks checkpoints (lower is better), and what to show.

    ``lines`` are its records for the run's ``metrics.jsonl``, ``warnings`` sentences for people.
    """

    rank_by: float | None
    shown: dict[str, float]
    lines: list[dict[str, Any]]
    warnings: tuple[str, ...]


@dataclass
class Seconds:
    """Wall time of the iterations so far, by part."""

    data: float = 0.0
    discriminator: float = 0.0
    generator: float = 0.0
    ema: float = 0.0
    total: float = 0.0
    iterations: int = 0

    def outside_steps(self) -> float:
        """Share of an iteration's time that is not spent in the D and G steps."""
        return 1 - (self.discriminator + self.generator) / self.total


@dataclass
class Loop:
    """Runs a :class:`Step` from ``iteration`` to the recipe's end, or until told to stop.

    ``evaluate`` scores the generator that users get (the moving average where there is one), and
    ``draw_samples`` writes a picture of it; both belong to the first process. Checkpoints are
    copied to main memory at once and written beside the iterations that follow.
    """

    step: Step
    ema: EMA | None
    config: TrainingConfig
    log: MetricsLog | None
    display: Display
    checkpoints: Path
    facts: dict[str, Any]
    evaluate: Callable[[int], Score]
    draw_samples: Callable[[int], None]
    iteration: int = 0
    best: float | None = None
    seconds: Seconds = field(default_factory=Seconds)
    writer: Writer = field(default_factory=Writer)

    def __post_init__(self) -> None:
        device = self.step.fabric.device
        self.meters = {"d": TermMeter("d", device), "g": TermMeter("g", device)}

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks of a checkpoint, by file name."""
        networks: dict[str, nn.Module] = {
            "generator": self.step.gan.generator,
            "discriminator": self.step.gan.discriminator,
        }
        if self.ema is not None:
            networks["generator_ema"] = self.ema.average
        return networks

    def fit(self, stop: Stop) -> str | None:
        """Train; returns why it stopped early, or None at the end."""
        with self.writer:
            return self._fit(stop)

    def _fit(self, stop: Stop) -> str | None:
        if self.iteration == 0:
            self.draw_samples(0)
            if self.config.evaluate_at_start:
                self._score(save=False)
        mark = time.perf_counter()
        while self.iteration < self.config.total_iterations:
            self.writer.check()
            self._iterate()
            if self._due(self.config.log_every_iterations):
                speed = self.config.log_every_iterations / (time.perf_counter() - mark)
                self._write_log(speed)
            self._between()
            if self._due(self.config.log_every_iterations):
                mark = time.perf_counter()
            if (reason := stop.reason) and self.iteration < self.config.total_iterations:
                self._save()
                return reason
        self._finish()
        return None

    def _iterate(self) -> None:
        start = now = time.perf_counter()
        iteration = self.iteration + 1
        for index in range(self.config.discriminator_steps):
            update = self.iteration * self.config.discriminator_steps + index
            parts = self.step.fetch(update)
            self.seconds.data += time.perf_counter() - now
            now = time.perf_counter()
            terms = self.step.discriminator_step(update, parts)
            self.seconds.discriminator += time.perf_counter() - now
            self.meters["d"].add(terms, iteration)
            now = time.perf_counter()
        terms = self.step.generator_step(self.iteration)
        self.seconds.generator += time.perf_counter() - now
        self.meters["g"].add(terms, iteration)
        now = time.perf_counter()
        if self.ema is not None:
            self.ema.update(iteration)
        self.seconds.ema += time.perf_counter() - now
        self.iteration = iteration
        self.display.step(iteration)
        self.seconds.total += time.perf_counter() - start
        self.seconds.iterations += 1

    def _due(self, every: int | None) -> bool:
        return every is not None and self.iteration % every == 0

    def _between(self) -> None:
        if self._due(self.config.sample_every_iterations):
            self._check()
            self.draw_samples(self.iteration)
        if self._due(self.config.evaluate_every_iterations):
            self._score()
        elif self._due(self.config.checkpoint_every_iterations):
            self._save()

    def _finish(self) -> None:
        if not self._due(self.config.sample_every_iterations):
            self.draw_samples(self.iteration)
        evaluates = self.config.evaluate_every_iterations is not None
        if evaluates and not self._due(self.config.evaluate_every_iterations):
            # Saved first: this evaluation is no part of a longer run that resumes from here.
            self._save()
            self._score(save=False)
        elif not evaluates:
            self._save()

    def _check(self) -> None:
        for meter in self.meters.values():
            meter.check()

    def _write_log(self, speed: float) -> None:
        terms: dict[str, float] = {}
        for meter in self.meters.values():
            terms |= meter.read()
        if self.log is not None:
            for name, value in terms.items():
                self.log.scalar(self.iteration, name, value, "1")
            self.log.scalar(self.iteration, "iterations_per_second", speed, "1/s")
        self.display.log(self.iteration, terms, speed)

    def _score(self, save: bool = True) -> None:
        self._check()
        score = self.evaluate(self.iteration)
        if self.log is not None:
            for line in score.lines:
                self.log.record(line)
        self.display.evaluated(score.shown, score.warnings)
        better = score.rank_by is not None and (self.best is None or score.rank_by < self.best)
        if better:
            self.best = score.rank_by
        if save:
            self._save(best=better)
        elif better:
            self._mark_saved()
        self.display.pause()

    def _mark_saved(self) -> None:
        """Point ``best`` to this iteration's checkpoint, where it was saved before its score."""
        self.writer.wait()
        path = self.checkpoints / f"step-{self.iteration:07d}"
        if self.log is not None and path.is_dir():
            mark_best(self.checkpoints, path)

    def _save(self, best: bool = False) -> None:
        self._check()
        if self.log is None:
            return
        networks = {name: snapshot(net.state_dict()) for name, net in self.networks.items()}
        trainer = snapshot(self.state_dict())

        def write() -> None:
            path = save_checkpoint(self.checkpoints, networks, trainer, self.facts)
            if best:
                mark_best(self.checkpoints, path)
            prune(self.checkpoints)

        self.writer.submit(write)

    def state_dict(self) -> dict[str, Any]:
        """Everything beside the networks that the next iteration depends on."""
        return {
            "iteration": self.iteration,
            "best": self.best,
            "seed": self.step.seed,
            "discriminator_optimizer": self.step.discriminator_optimizer.state_dict(),
            "generator_optimizer": self.step.generator_optimizer.state_dict(),
            "augmentation": self.step.augmentation.state_dict(),
            "meters": {name: meter.state_dict() for name, meter in self.meters.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state_dict` was made; the networks are loaded apart."""
        self.iteration = state["iteration"]
        self.best = state["best"]
        self.step.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        self.step.generator_optimizer.load_state_dict(state["generator_optimizer"])
        self.step.augmentation.load_state_dict(state["augmentation"])
        for name, meter in self.meters.items():
            meter.load_state_dict(state["meters"][name])
