"""What becomes of a study's runs: made once, tried again, shared with others, stopped."""

import io
import signal
from pathlib import Path

import pytest
from pretended_study import TOTAL, PretendedPlace, pretend
from rich.console import Console
from systems import posix_signals

from contragan.core.locking import file_lock
from contragan.studies.jobs import Job
from contragan.studies.launch import run_study
from contragan.studies.prepare import Prepared, StudyRequest
from contragan.studies.runner import Runner
from contragan.studies.state import failure_file, state_of
from contragan.studies.stop import RunnerStop
from contragan.studies.view import View

PROJECTION, CONTRASTIVE = "digits-biggan", "digits-contragan"


def make(
    prepared: Prepared, place: PretendedPlace, stop: RunnerStop | None = None
) -> dict[str, tuple[str, str]]:
    """Run a study; returns what became of each run, and why, by name."""
    view = View(Console(quiet=True), "title")
    runs = Runner(prepared, place, view, stop or RunnerStop()).run()
    return {run.name: (run.kind, run.detail) for run in runs}


def names(prepared: Prepared, part: str = "") -> list[str]:
    return [run.name for run in prepared.runs if part in run.name]


def test_what_is_missing_is_made_and_nothing_twice(prepared: Prepared) -> None:
    first = names(prepared)[0]
    pretend(prepared.pool / first, TOTAL)
    place = PretendedPlace(slots=2)
    ended = make(prepared, place)
    assert set(ended.values()) == {("done", "")}
    assert place.started == names(prepared)[1:]
    again = PretendedPlace()
    make(prepared, again)
    assert again.started == []


def test_a_run_that_is_not_evaluated_to_its_end_is_not_done(prepared: Prepared) -> None:
    run = prepared.runs[0]
    pretend(prepared.pool / run.name, TOTAL)
    (prepared.pool / run.name / "checkpoints" / f"step-{TOTAL:07d}" / "evaluated.json").unlink()
    place = PretendedPlace()
    make(prepared, place)
    assert place.started == names(prepared)


def test_a_run_that_died_is_tried_twice_more_and_the_others_go_on(prepared: Prepared) -> None:
    place = PretendedPlace(endings={f"{PROJECTION}-": [-9, 1, -11]})
    ended = make(prepared, place)
    given_up, later = names(prepared, PROJECTION)
    assert place.started.count(given_up) == 3
    kind, why = ended[given_up]
    assert kind == "failed"
    assert why.startswith("died 3 times (SIGSEGV; the end of its output: ended with -11 at ")
    assert ended[later][0] == "done"
    assert all(ended[name][0] == "done" for name in names(prepared, CONTRASTIVE))


def test_a_death_is_mended_by_another_attempt(prepared: Prepared) -> None:
    place = PretendedPlace(endings={PROJECTION: [-9, 1, 0]})
    ended = make(prepared, place)
    assert {kind for kind, _ in ended.values()} == {"done"}
    assert place.started.count(names(prepared, PROJECTION)[0]) == 3


def test_a_run_that_the_collapse_guard_ended_is_not_tried_again(prepared: Prepared) -> None:
    place = PretendedPlace(endings={CONTRASTIVE: [3]})
    ended = make(prepared, place)
    collapsed = names(prepared, CONTRASTIVE)[0]
    assert place.started.count(collapsed) == 1
    kind, why = ended[collapsed]
    assert kind == "failed"
    assert why.startswith("the collapse guard ended it: ")


def test_bad_input_is_reported_at_once_and_tried_when_asked_again(prepared: Prepared) -> None:
    place = PretendedPlace(endings={CONTRASTIVE: [2]})
    ended = make(prepared, place)
    failed = names(prepared, CONTRASTIVE)[0]
    assert place.started.count(failed) == 1
    assert ended[failed][0] == "failed"
    recorded = next(run.recorded for run in prepared.runs if run.name == failed)
    state = state_of(prepared.pool, recorded)
    assert (state.kind, state.detail) == ended[failed]
    assert state.detail.startswith("ended with 2 at ")  # without the word "error"

    place = PretendedPlace()
    assert make(prepared, place)[failed] == ("done", "")
    assert place.started == [failed]
    assert not failure_file(prepared.pool, failed).exists()


def test_a_run_that_another_runner_makes_is_left_to_it(prepared: Prepared) -> None:
    theirs = names(prepared)[1]
    claim = file_lock(prepared.pool / ".claims" / theirs)
    Path(claim.lock_file).parent.mkdir(parents=True)
    claim.acquire()

    def end_theirs(job: Job) -> None:
        if job.folder.name == names(prepared)[-1]:
            pretend(prepared.pool / theirs, TOTAL)
            claim.release()

    place = PretendedPlace(on_start=end_theirs)
    ended = make(prepared, place)
    assert set(ended.values()) == {("done", "")}
    assert theirs not in place.started


@pytest.mark.parametrize("dies", [False, True])
def test_a_run_that_anything_else_trains_is_looked_at_again(prepared: Prepared, dies: bool) -> None:
    theirs = names(prepared)[0]
    lock = file_lock(prepared.pool / theirs / ".lock")
    Path(lock.lock_file).parent.mkdir(parents=True)
    lock.acquire()

    def end_theirs(job: Job) -> None:
        if job.folder.name == names(prepared)[-1]:
            if not dies:
                pretend(prepared.pool / theirs, TOTAL)
            lock.release()

    place = PretendedPlace(on_start=end_theirs)
    ended = make(prepared, place)
    assert set(ended.values()) == {("done", "")}
    assert place.started == [*names(prepared)[1:], *([theirs] if dies else [])]


def test_a_lock_taken_meanwhile_is_not_a_failure(prepared: Prepared) -> None:
    theirs = names(prepared)[0]
    lock = file_lock(prepared.pool / theirs / ".lock")

    def take(job: Job) -> None:
        if job.folder.name == theirs and place.started.count(theirs) == 1:
            job.folder.mkdir(parents=True)
            lock.acquire()
        elif lock.is_locked:
            lock.release()

    # That start does not count: two deaths leave one more attempt.
    place = PretendedPlace(endings={theirs: [2, -9, -9, 0]}, on_start=take)
    assert set(make(prepared, place).values()) == {("done", "")}
    assert place.started.count(theirs) == 4


@posix_signals
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_a_signal_stops_the_runs_which_save(prepared: Prepared, name: str) -> None:
    number = signal.Signals[name]
    second = names(prepared)[1]

    def interrupt(job: Job) -> None:
        if job.folder.name == second:
            signal.raise_signal(number)

    stop = RunnerStop()
    place = PretendedPlace(endings={second: [None]}, on_start=interrupt)
    ended = make(prepared, place, stop)
    assert [kind for kind, _ in ended.values()] == ["done", "waiting", "waiting", "waiting"]
    assert place.handles[1].stopped
    assert stop.exit_code == 128 + number
    assert stop.reason == f"stopped by {name}"
    assert state_of(prepared.pool, prepared.runs[1].recorded).iteration == 2

    assert set(make(prepared, PretendedPlace()).values()) == {("done", "")}


def test_how_a_study_ended_is_said(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(place: PretendedPlace, out: Path = tmp_path / "study") -> tuple[int, list[str]]:
        monkeypatch.setattr("contragan.studies.launch._place", lambda on, jobs: place)
        request = StudyRequest(str(study_file), scale="tiny", out=out)
        text = io.StringIO()
        code = run_study(request, None, Console(file=text, width=500))
        return code, text.getvalue().splitlines()

    def interrupt(job: Job) -> None:
        signal.raise_signal(signal.SIGINT)

    place = PretendedPlace(endings={PROJECTION: [None]}, on_start=interrupt)
    code, lines = run(place, tmp_path / "stopped" / "study")
    assert (code, lines[-2:]) == (130, ["0 of 2 runs are done", "go on: the same command again"])
    code, lines = run(PretendedPlace(endings={CONTRASTIVE: [2]}))
    assert code == 1
    assert lines[-4] == "1 of 2 runs are done"
    assert lines[-3].startswith(f"failed: {CONTRASTIVE}-")
    assert ": ended with 2 at " in lines[-3]
    assert lines[-1] == "try the failed runs again: the same command"
    code, lines = run(PretendedPlace())
    assert (code, lines[-1]) == (0, f"study: {tmp_path / 'study'}")
    code, lines = run(PretendedPlace())
    assert (code, lines[1].rpartition(", ")[2]) == (0, "2 of them made already")


@posix_signals
def test_nobody_reads_the_output_any_more(prepared: Prepared) -> None:
    stop = RunnerStop(abandoned=lambda: True)
    place = PretendedPlace(endings={"digits": [None]})
    make(prepared, place, stop)
    assert place.handles[0].stopped
    assert stop.exit_code == 128 + signal.SIGPIPE


def test_two_runners_share_a_pool(prepared: Prepared) -> None:
    """The second begins while the first is at its first run, and each run is made once."""
    other = PretendedPlace()
    begun: list[str] = []

    def begin_other(job: Job) -> None:
        if not begun:
            begun.append(job.folder.name)
            runner = Runner(prepared, other, View(Console(quiet=True), "title"), RunnerStop())
            for run in runner.runs:
                runner._waiting.append(run)
            for _ in range(8):
                runner._look()
            for claim in runner._claims.values():
                claim.release()

    place = PretendedPlace(on_start=begin_other)
    assert set(make(prepared, place).values()) == {("done", "")}
    assert place.started == names(prepared)[:1]
    assert other.started == names(prepared)[1:]
