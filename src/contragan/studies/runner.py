"""Making what a study misses: which run starts next, and what becomes of each."""

from __future__ import annotations

import signal
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from filelock import BaseFileLock, Timeout

from contragan.core.files import write_text
from contragan.core.locking import file_lock
from contragan.studies.jobs import BAD_INPUT, Handle, Job, Place
from contragan.studies.plan import PlannedRun
from contragan.studies.prepare import Prepared
from contragan.studies.readings import read_run
from contragan.studies.record import RecordedRun
from contragan.studies.state import (
    failure_file,
    is_done,
    is_locked,
    last_iteration,
    last_line,
    log_file,
    saved_iteration,
)
from contragan.studies.stop import RunnerStop
from contragan.studies.view import View
from contragan.training.watch import COLLAPSED

ATTEMPTS = 3
"""How often a run is started before it is given up: once, and two times after it died."""

LOOK_EVERY = 0.5
"""Seconds between two looks at the runs that this runner started."""

LOOK_AGAIN = 5.0
"""Seconds between two looks at a run that another process makes."""

Kind = Literal["done", "running", "elsewhere", "waiting", "failed"]


@dataclass
class Progress:
    """What the runner knows of one run."""

    planned: PlannedRun
    kind: Kind = "waiting"
    iteration: int = 0
    attempts: int = 0
    detail: str = ""
    handle: Handle | None = None
    look_at: float = 0.0
    began: tuple[float, int] | None = None
    """When the first progress of this attempt was seen, and at which iteration."""
    pace: float | None = None
    """Seconds per iteration of a run that is done."""

    @property
    def recorded(self) -> RecordedRun:
        return self.planned.recorded

    @property
    def name(self) -> str:
        return self.planned.name

    def seconds_each(self, now: float) -> float | None:
        """Seconds per iteration since the first that was seen, evaluations included."""
        if self.pace is not None:
            return self.pace
        if self.began is None or self.iteration <= self.began[1]:
            return None
        return (now - self.began[0]) / (self.iteration - self.began[1])

    def seconds_left(self, now: float) -> float | None:
        each = self.seconds_each(now)
        return None if each is None else each * (self.recorded.total_iterations - self.iteration)


@dataclass
class Runner:
    """Makes the missing runs of a study at a place, and shows how far they are.

    A run is claimed by a lock before it starts, so that two runners of one pool share the work. A
    run that another runner has claimed, or that anything else trains, is looked at again later.
    """

    prepared: Prepared
    place: Place
    view: View
    stop: RunnerStop
    began_at: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.runs = [Progress(planned) for planned in self.prepared.runs]
        self._claims: dict[str, BaseFileLock] = {}
        self._waiting: deque[Progress] = deque()

    def run(self) -> list[Progress]:
        """Make what is missing, until all is done or failed, or a signal stops it."""
        for run in self.runs:
            if is_done(self._folder(run), run.recorded):
                run.kind, run.iteration = "done", run.recorded.total_iterations
                run.pace = read_run(self._folder(run)).seconds_each
            else:
                run.iteration = saved_iteration(self._folder(run))
                self._waiting.append(run)
        try:
            with self.stop.listening(), self.view.open(self.runs, self.place.slots):
                while self._unfinished():
                    self._look()
                    self.view.show(time.monotonic())
                    if self.stop.wait(LOOK_EVERY):
                        self._end()
                        break
        finally:
            self.place.close()
            for claim in self._claims.values():
                claim.release()
        return self.runs

    def _unfinished(self) -> bool:
        return any(run.kind not in {"done", "failed"} for run in self.runs)

    def _look(self) -> None:
        for run in self._running():
            self._follow(run)
        free = self.place.slots - len(self._running())
        now = time.monotonic()
        for run in list(self._waiting):
            due = run.look_at <= now if run.kind == "elsewhere" else free > 0
            if due:
                self._waiting.remove(run)
                free -= self._take(run, may_start=free > 0)

    def _end(self) -> None:
        """Ask the runs to save, and wait until they have."""
        self.view.line(f"{self.stop.reason}: the runs save what they have", loud=True)
        for run in self._running():
            assert run.handle is not None
            run.handle.stop()
        while running := self._running():
            for run in running:
                assert run.handle is not None
                if run.handle.exit_code() is not None:
                    is_last = is_done(self._folder(run), run.recorded)
                    run.kind = "done" if is_last else "waiting"
                    run.iteration = saved_iteration(self._folder(run))
                    self._release(run)
            self.view.show(time.monotonic())
            self.stop.pause(LOOK_EVERY)

    def _running(self) -> list[Progress]:
        return [run for run in self.runs if run.kind == "running"]

    def _take(self, run: Progress, *, may_start: bool) -> bool:
        """Start a run that waits, unless somebody else has made it or is making it."""
        if is_done(self._folder(run), run.recorded):
            self._finish(run, "made elsewhere")
        elif not may_start or not self._claim(run):
            self._leave(run)
        elif is_locked(self._folder(run)):
            self._release(run)
            self._leave(run)
        elif run.attempts == 0 and self._given_up_elsewhere(run):
            self._release(run)
            self._fail(
                run, failure_file(self.prepared.pool, run.name).read_text(encoding="utf-8").strip()
            )
        else:
            self._start(run)
            return True
        return False

    def _start(self, run: Progress) -> None:
        failure_file(self.prepared.pool, run.name).unlink(missing_ok=True)
        words = tuple(self.prepared.command(run.planned))
        run.handle = self.place.start(Job(self._folder(run), words, self._log(run)))
        run.kind, run.began = "running", None
        run.attempts += 1
        run.iteration = saved_iteration(self._folder(run))
        again = f" (attempt {run.attempts} of {ATTEMPTS})" if run.attempts > 1 else ""
        at = f" from iteration {run.iteration:,}" if run.iteration else ""
        self.view.line(f"started {run.name}{at}{again}")

    def _follow(self, run: Progress) -> None:
        """See how far a run is, and what to do once it has ended."""
        assert run.handle is not None
        code = run.handle.exit_code()
        if code is None:
            self._note_progress(run)
            return
        self._release(run)
        if is_done(self._folder(run), run.recorded):
            self._finish(run)
            return
        said = last_line(self._log(run)).removeprefix("error: ") or "it said nothing"
        died = f"{_ending(code)}; the end of its output: {said}"
        if code == BAD_INPUT and is_locked(self._folder(run)):
            run.attempts -= 1
            self._leave(run)
        elif code == BAD_INPUT:
            self._give_up(run, said)
        elif code == COLLAPSED:  # the same settings and seed would collapse again
            self._give_up(run, f"the collapse guard ended it: {said}")
        elif run.attempts >= ATTEMPTS:
            self._give_up(run, f"died {ATTEMPTS} times ({died})")
        else:
            run.kind, run.iteration = "waiting", saved_iteration(self._folder(run))
            self._waiting.appendleft(run)
            self.view.line(f"{run.name} died and is tried again ({died})")

    def _note_progress(self, run: Progress) -> None:
        iteration = last_iteration(self._folder(run))
        # What a killed run wrote after its last checkpoint is still in its log at first.
        if iteration != run.iteration and is_locked(self._folder(run)):
            run.iteration = iteration
            if run.began is None or iteration < run.began[1]:
                run.began = (time.monotonic(), iteration)

    def _leave(self, run: Progress) -> None:
        """Look at it again later: another process is making it."""
        if run.kind != "elsewhere":
            self.view.line(f"{run.name} is being made by another process")
        run.kind, run.iteration = "elsewhere", last_iteration(self._folder(run))
        run.look_at = time.monotonic() + LOOK_AGAIN
        self._waiting.append(run)

    def _finish(self, run: Progress, how: str = "") -> None:
        run.kind, run.iteration = "done", run.recorded.total_iterations
        run.pace = run.seconds_each(time.monotonic())
        done = sum(other.kind == "done" for other in self.runs)
        self.view.line(f"done {run.name}{f' ({how})' if how else ''}: {done} of {len(self.runs)}")

    def _give_up(self, run: Progress, why: str) -> None:
        write_text(failure_file(self.prepared.pool, run.name), f"{why}\n")
        self._fail(run, why)

    def _fail(self, run: Progress, why: str) -> None:
        run.kind, run.detail = "failed", why
        self.view.line(f"failed {run.name}: {why} (see {self._log(run)})", loud=True)

    def _given_up_elsewhere(self, run: Progress) -> bool:
        """Whether another runner has given a run up since this one began."""
        with suppress(OSError):
            return failure_file(self.prepared.pool, run.name).stat().st_mtime > self.began_at
        return False

    def _claim(self, run: Progress) -> bool:
        claim = file_lock(self.prepared.pool / ".claims" / run.name)
        try:
            Path(claim.lock_file).parent.mkdir(parents=True, exist_ok=True)
            claim.acquire(blocking=False)
        except Timeout:
            return False
        except OSError:  # no locks on this file system: the run's own says so
            return True
        self._claims[run.name] = claim
        return True

    def _release(self, run: Progress) -> None:
        if (claim := self._claims.pop(run.name, None)) is not None:
            claim.release()

    def _folder(self, run: Progress) -> Path:
        return self.prepared.pool / run.name

    def _log(self, run: Progress) -> Path:
        return log_file(self.prepared.pool, run.name)


def _ending(code: int) -> str:
    """In words, the signal that a negative exit code stands for, or the code."""
    if code >= 0:
        return f"exit code {code}"
    if -code not in list(signal.Signals):
        return f"signal {-code}"
    name = signal.Signals(-code).name
    return f"{name}, as where memory is short" if name == "SIGKILL" else name
