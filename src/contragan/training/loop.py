"""The loop: iterations, and what happens between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from contragan.core.processes import largest, world_size
from contragan.recipes.schema import TrainingConfig
from contragan.runs.checkpoint import (
    DamagedCheckpoint,
    checkpoints,
    evaluation_facts,
    load_network,
    load_trainer,
    mark_best,
    mark_evaluated,
    prune,
    save_checkpoint,
    snapshot,
)
from contragan.runs.log import MetricsLog
from contragan.runs.writer import Writer
from contragan.training.callbacks import Callbacks
from contragan.training.display import Display
from contragan.training.ema import EMA
from contragan.training.fine_tuning import FineTuning
from contragan.training.outlook import Outlook, WaysOut
from contragan.training.score import Score
from contragan.training.seconds import Seconds
from contragan.training.step import Step
from contragan.training.stop import Stop
from contragan.training.terms import NonFiniteLoss, TermMeter
from contragan.training.watch import Watch

AGREE_EVERY_SECONDS = 1.0
"""How often processes ask each other whether to stop, which makes them wait for each other."""


@dataclass
class Loop:
    """Runs a :class:`Step` from ``iteration`` to the recipe's end, or until told to stop.

    ``evaluate`` scores the generator that users get (the moving average where there is one), each
    process its share, and ``draw_samples`` writes a picture of it on the first process. Checkpoints
    are copied to main memory at once and written while the next iterations run. They are saved
    before they are evaluated, so that a failed evaluation does not lose any iteration. What it led
    to is noted in the checkpoint afterwards; where that note is missing, a resumed run makes the
    evaluation again. ``fine_tuning`` is what the networks have just taken from another run.
    """

    step: Step
    ema: EMA | None
    config: TrainingConfig
    display: Display
    checkpoints: Path
    facts: dict[str, Any]
    evaluate: Callable[[int], Score]
    draw_samples: Callable[[int], None]
    log: MetricsLog | None = None
    watch: Watch = field(default_factory=Watch)
    fine_tuning: FineTuning | None = None
    callbacks: Callbacks = field(default_factory=Callbacks)
    ways_out: WaysOut = lambda done, seconds: []
    compiles: bool = False
    iteration: int = 0
    best: float | None = None
    best_iteration: int | None = None
    saved: bool = False
    evaluated: bool = False
    seconds: Seconds = field(default_factory=Seconds)
    writer: Writer = field(default_factory=Writer)

    def __post_init__(self) -> None:
        device = self.step.fabric.device
        self.meters = {"d": TermMeter("d", device), "g": TermMeter("g", device)}
        self._asks_at = 0

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
        """Train; returns why it stopped early, or None at the end.

        Raises:
            UserError: a loss that is not finite, or a disk that is full.
        """
        try:
            with self.writer:
                return self._fit(stop)
        except NonFiniteLoss as error:
            saved = checkpoints(self.checkpoints)
            kept = f"{saved[-1].name} is kept" if saved else "no checkpoint was saved before"
            raise NonFiniteLoss(f"{error} ({kept})") from error

    def _fit(self, stop: Stop) -> str | None:
        begun = time.perf_counter()
        if self.iteration == 0:
            self.draw_samples(0)
        if self._evaluation_due:
            self._score()
        spent = time.perf_counter() - begun
        outlook = Outlook(
            self.config, self.display, self.iteration, self.ways_out, spent, self.compiles
        )
        outlook.start()
        try:
            return self._iterations(stop, outlook)
        finally:
            outlook.close()

    def _iterations(self, stop: Stop, outlook: Outlook) -> str | None:
        mark = time.perf_counter()
        while self.iteration < self.config.total_iterations:
            self.writer.check()
            self.watch.before(self.iteration + 1)
            self._iterate()
            outlook.after(self.iteration, self.seconds)
            if self._due(self.config.log_every_iterations):
                speed = self.config.log_every_iterations / (time.perf_counter() - mark)
                self._write_log(speed)
            self.watch.after(self.iteration, self.log, self.display.line)
            self._between()
            self.callbacks.iterated(
                self.iteration, self.config.total_iterations, self.display.terms
            )
            if self._due(self.config.log_every_iterations):
                mark = time.perf_counter()
            if (reason := self._reason(stop)) and self.iteration < self.config.total_iterations:
                self._save()
                return reason
        self._finish()
        return None

    def _reason(self, stop: Stop) -> str | None:
        """Why to stop after this iteration; several processes give the same answer."""
        if collapsed := self.watch.reason(self.step.fabric.device):
            return collapsed
        if world_size() == 1:
            return stop.reason
        if self.iteration < self._asks_at:
            return None
        per_second = self.seconds.iterations / self.seconds.total
        interval = max(1, round(AGREE_EVERY_SECONDS * per_second))
        found, interval = largest([stop.noticed(), interval], self.step.fabric.device)
        self._asks_at = self.iteration + interval
        return stop.agree(found)

    def _iterate(self) -> None:
        start = now = time.perf_counter()
        iteration = self.iteration + 1
        self.step.objective.begin(self.iteration)
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
        self.saved = self.evaluated = False
        self.display.step(iteration)
        self.seconds.total += time.perf_counter() - start
        self.seconds.iterations += 1

    def _due(self, every: int | None) -> bool:
        return every is not None and self.iteration % every == 0

    @property
    def _evaluation_due(self) -> bool:
        if self.iteration == 0:
            return self.config.evaluate_at_start
        return self._due(self.config.evaluate_every_iterations)

    def _between(self) -> None:
        if self._due(self.config.sample_every_iterations):
            self._check()
            self.draw_samples(self.iteration)
        if self._evaluation_due or self._due(self.config.checkpoint_every_iterations):
            self._save()
        if self._evaluation_due:
            self._score()

    def _finish(self) -> None:
        if not self._due(self.config.sample_every_iterations):
            self.draw_samples(self.iteration)
        self._save()
        if self.config.evaluate_every_iterations is not None:
            self._score()

    def _check(self) -> None:
        for meter in self.meters.values():
            meter.check()

    def _write_log(self, speed: float) -> None:
        terms: dict[str, float] = {}
        for meter in self.meters.values():
            meter.share()
            terms |= meter.read()
        for name, value in self.step.augmentation.readings().items():
            terms[f"augmentation/{name}"] = value
        if self.log is not None:
            for name, value in terms.items():
                self.log.scalar(self.iteration, name, value, "1")
            self.log.scalar(self.iteration, "iterations_per_second", speed, "1/s")
        self.display.log(self.iteration, terms, speed)

    def _score(self) -> None:
        if self.evaluated:
            return
        self._check()
        start = time.perf_counter()
        score = self.evaluate(self.iteration)
        self.seconds.evaluation = time.perf_counter() - start
        if self.log is not None:
            for line in score.lines:
                self.log.record(line)
        self.display.evaluated(score.shown, score.warnings)
        self.watch.evaluated(score.lines, self.display.line)
        better = score.rank_by is not None and (self.best is None or score.rank_by < self.best)
        if better:
            self.best, self.best_iteration = score.rank_by, self.iteration
        self.evaluated = True
        if self.log is not None and self.saved:
            self._note_evaluation(better)
        self.callbacks.evaluated(self.iteration, score.record)
        self.display.pause()

    def _path(self, iteration: int) -> Path:
        return self.checkpoints / f"step-{iteration:07d}"

    def _note_evaluation(self, better: bool) -> None:
        path, due = self._path(self.iteration), self._evaluation_due
        # The last iteration is always evaluated; a longer run may not evaluate it here.
        facts = {"best": self.best, "best_iteration": self.best_iteration, "extra": not due}

        def write() -> None:
            mark_evaluated(path, facts)
            if better:
                mark_best(self.checkpoints, path)
            if due:
                prune(self.checkpoints)

        self.writer.submit(write)

    def _save(self) -> None:
        if self.saved:
            return
        self._check()
        self.saved = True
        for meter in self.meters.values():
            meter.share()  # the first process saves for all
        if self.log is None:
            return
        networks = {name: snapshot(net.state_dict()) for name, net in self.networks.items()}
        trainer = snapshot(self.state_dict())

        def write() -> None:
            save_checkpoint(self.checkpoints, networks, trainer, self.facts)
            prune(self.checkpoints)

        self.writer.submit(write)

    def state_dict(self) -> dict[str, Any]:
        """Everything beside the networks that the next iteration depends on."""
        return {
            "iteration": self.iteration,
            "best": self.best,
            "best_iteration": self.best_iteration,
            "seed": self.step.seed,
            "discriminator_optimizer": self.step.discriminator_optimizer.state_dict(),
            "generator_optimizer": self.step.generator_optimizer.state_dict(),
            "augmentation": self.step.augmentation.state_dict(),
            "regularizers": self.step.objective.state_dict(),
            "meters": {name: meter.state_dict() for name, meter in self.meters.items()},
        }

    def resume(self, checkpoint: Path) -> None:
        """Take up where a checkpoint was saved, and where its evaluation ended.

        Raises:
            UserError: it is damaged, or of another architecture.
        """
        for name, module in self.networks.items():
            load_network(checkpoint, name, module)
        try:
            self.load_state_dict(load_trainer(checkpoint))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise DamagedCheckpoint(
                f"{checkpoint / 'trainer.pt'} is not the state of this recipe's trainer: {error!r}"
            ) from error
        self.display.start(self.iteration)
        self.saved = True
        facts = evaluation_facts(checkpoint)
        if facts is None:
            return
        ends = self.iteration >= self.config.total_iterations
        if not facts["extra"] or self._evaluation_due or ends:
            self.best, self.best_iteration = facts["best"], facts["best_iteration"]
            self.evaluated = True

    def mark_best(self) -> None:
        """Point ``best`` to the best checkpoint of this run so far, as the trainer's state has it.

        The file may name another after a kill, or after the extra evaluation at a shorter run's
        end.
        """
        if self.best_iteration is not None and self._path(self.best_iteration).is_dir():
            mark_best(self.checkpoints, self._path(self.best_iteration))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state_dict` was made; the networks are loaded apart."""
        self.iteration = state["iteration"]
        self.best = state["best"]
        self.best_iteration = state.get("best_iteration")  # an older checkpoint has none
        self.step.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        self.step.generator_optimizer.load_state_dict(state["generator_optimizer"])
        for optimizer in (self.step.discriminator_optimizer, self.step.generator_optimizer):
            for group in optimizer.param_groups:
                group["capturable"] = False  # a captured step sets it again, where it may
        self.step.augmentation.load_state_dict(state["augmentation"])
        self.step.objective.load_state_dict(state.get("regularizers", {}))  # older ones have none
        for name, meter in self.meters.items():
            meter.load_state_dict(state["meters"][name])
