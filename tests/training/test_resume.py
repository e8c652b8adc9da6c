"""A run that is stopped anywhere and resumed equals one that was not, bit by bit."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from systems import posix_signals

from contragan.core.errors import UserError
from contragan.core.types import Terms
from contragan.data.classes import check_classes
from contragan.evaluation.choice import Choice
from contragan.evaluation.evaluator import Evaluator
from contragan.evaluation.record import EvaluationRecord
from contragan.evaluation.run import evaluate_run
from contragan.recipes.schema import load_recipe
from contragan.runs.checkpoint import load_trainer, pointer
from contragan.runs.lock import RunLock
from contragan.runs.log import read_metrics
from contragan.training.outcome import Outcome
from contragan.training.setup import Request
from contragan.training.terms import TermMeter
from contragan.training.train import train

NETWORKS = ("generator", "generator_ema", "discriminator")
QUIET = Console(quiet=True)


def run(out: Path, overrides: list[str], iterations: int, *, resume: bool = False) -> Outcome:
    recipe = load_recipe(
        "digits/contragan", [*overrides, f"training.total_iterations={iterations}"]
    )
    return train(Request("digits/contragan", recipe, out=out, resume=resume), QUIET)


def last(out: Path) -> Path:
    path = pointer(out / "checkpoints", "last")
    assert path is not None
    return path


def assert_same_state(left: object, right: object, where: str = "state") -> None:
    if isinstance(left, torch.Tensor):
        assert isinstance(right, torch.Tensor)
        assert torch.equal(left, right), where
    elif isinstance(left, dict):
        assert isinstance(right, dict)
        assert left.keys() == right.keys(), where
        for key in left:
            assert_same_state(left[key], right[key], f"{where}.{key}")
    else:
        assert left == right, where


def assert_same_run(left: Path, right: Path) -> None:
    assert last(left).name == last(right).name
    for name in NETWORKS:
        a = load_file(last(left) / f"{name}.safetensors")
        b = load_file(last(right) / f"{name}.safetensors")
        assert_same_state(a, b, name)
    assert_same_state(load_trainer(last(left)), load_trainer(last(right)))
    assert measured(left) == measured(right)
    best = [pointer(out / "checkpoints", "best") for out in (left, right)]
    assert len({path and path.name for path in best}) == 1


def measured(out: Path) -> list[tuple[int, str, object]]:
    """The log without what depends on the clock."""
    return [
        (record["step"], record["name"], record.get("value", record.get("values")))
        for record in read_metrics(out / "metrics.jsonl")
        if record["name"] != "iterations_per_second"
    ]


@pytest.mark.parametrize("discriminator_steps", [1, 2])
def test_resumed_equals_uninterrupted(
    tmp_path: Path, tiny: list[str], discriminator_steps: int
) -> None:
    overrides = [
        *tiny,
        f"training.discriminator_steps={discriminator_steps}",
        "training.log_every_iterations=4",
        "training.evaluate_every_iterations=5",
        "training.ema.start_iteration=3",
    ]
    run(tmp_path / "whole", overrides, 10)
    run(tmp_path / "parts", overrides, 5)
    run(tmp_path / "parts", overrides, 10, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    names = {name for _, name, _ in measured(tmp_path / "whole")}
    assert {"d/adversarial", "d/contrastive", "g/adversarial", "g/contrastive"} <= names
    assert "evaluation/frechet_distance" in names


def test_a_killed_run_loses_only_what_follows_its_checkpoint(
    tmp_path: Path, tiny: list[str]
) -> None:
    run(tmp_path / "whole", tiny, 8)
    run(tmp_path / "killed", tiny, 8)
    # As if killed after iteration 4: later checkpoints never came to be, later lines did.
    late = tmp_path / "killed" / "checkpoints" / "step-0000008"
    (tmp_path / "killed" / "checkpoints" / "last").write_text("step-0000004")
    for file in late.iterdir():
        file.unlink()
    late.rmdir()
    run(tmp_path / "killed", tiny, 8, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_a_damaged_last_checkpoint_is_named_and_passed_over(
    tmp_path: Path, tiny: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "whole", tiny, 12)
    run(tmp_path / "damaged", tiny, 8)
    victim = tmp_path / "damaged" / "checkpoints" / "step-0000008" / "generator.safetensors"
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    recipe = load_recipe("digits/contragan", [*tiny, "training.total_iterations=12"])
    request = Request("digits/contragan", recipe, out=tmp_path / "damaged", resume=True)
    train(request, Console(width=200, force_terminal=False))
    said = capsys.readouterr().out
    assert "step-0000008 is damaged: generator.safetensors" in said
    assert "using step-0000004" in said
    assert_same_run(tmp_path / "whole", tmp_path / "damaged")


EVALUATED = [
    "training.evaluate_every_iterations=3",
    "training.generator_optimizer.learning_rate=3e-3",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny: list[str]) -> Path:
    """Nine iterations, evaluated at every third."""
    out = tmp_path_factory.mktemp("evaluated") / "whole"
    run(out, [*tiny, *EVALUATED], 9)
    return out


def test_an_evaluation_that_fails_loses_no_iteration(
    tmp_path: Path, tiny: list[str], whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(evaluator: Evaluator, iteration: int) -> EvaluationRecord:
        if iteration == 6:
            raise UserError("no space left for features")
        return evaluate(evaluator, iteration)

    evaluate = Evaluator.__call__
    monkeypatch.setattr(Evaluator, "__call__", fail)
    with pytest.raises(UserError, match="no space left for features"):
        run(tmp_path / "failed", [*tiny, *EVALUATED], 9)
    assert last(tmp_path / "failed").name == "step-0000006"
    monkeypatch.setattr(Evaluator, "__call__", evaluate)
    run(tmp_path / "failed", [*tiny, *EVALUATED], 9, resume=True)
    assert_same_run(whole, tmp_path / "failed")


@pytest.mark.parametrize("lines_lost", [0, 1, 3])
def test_killed_between_a_checkpoint_and_the_end_of_its_evaluation(
    tmp_path: Path, tiny: list[str], whole: Path, lines_lost: int
) -> None:
    out = tmp_path / "killed"
    run(out, [*tiny, *EVALUATED], 3)
    (last(out) / "evaluated.json").unlink()
    (out / "checkpoints" / "best").unlink()
    lines = (out / "metrics.jsonl").read_text().splitlines(keepends=True)
    (out / "metrics.jsonl").write_text("".join(lines[: len(lines) - lines_lost]))
    run(out, [*tiny, *EVALUATED], 9, resume=True)
    assert_same_run(whole, out)


def test_killed_before_best_was_marked(tmp_path: Path, tiny: list[str], whole: Path) -> None:
    out = tmp_path / "killed"
    run(out, [*tiny, *EVALUATED], 3)
    (out / "checkpoints" / "best").unlink()
    run(out, [*tiny, *EVALUATED], 9, resume=True)
    assert_same_run(whole, out)


def test_killed_before_the_first_checkpoint(tmp_path: Path, tiny: list[str]) -> None:
    overrides = [*tiny, *EVALUATED, "training.evaluate_at_start=true"]
    run(tmp_path / "whole", overrides, 3)
    run(tmp_path / "killed", overrides, 3)
    shutil.rmtree(tmp_path / "killed" / "checkpoints")
    run(tmp_path / "killed", overrides, 3, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_stopped_after_every_iteration(tmp_path: Path, tiny: list[str], whole: Path) -> None:
    recipe = load_recipe("digits/contragan", [*tiny, *EVALUATED, "training.total_iterations=9"])
    request = Request("digits/contragan", recipe, out=tmp_path / "run", max_minutes=1e-9)
    train(request, QUIET)
    for _ in range(8):
        train(replace(request, resume=True), QUIET)
    assert_same_run(whole, tmp_path / "run")


def test_the_evaluation_at_the_end_is_no_part_of_a_longer_run(
    tmp_path: Path, tiny: list[str], whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight iterations end with an evaluation, the best one, which nine never make."""
    out = tmp_path / "parts"
    evaluate = Evaluator.__call__

    def best_at_eight(evaluator: Evaluator, iteration: int) -> EvaluationRecord:
        record = evaluate(evaluator, iteration)
        if iteration != 8:
            return record
        return replace(record, values=record.values | {"frechet_distance": 0.0})

    monkeypatch.setattr(Evaluator, "__call__", best_at_eight)
    run(out, [*tiny, *EVALUATED], 8)
    finished = (out / "metrics.jsonl").read_text()
    assert (8, "evaluation/frechet_distance") in [line[:2] for line in measured(out)]
    best = pointer(out / "checkpoints", "best")
    assert best == out / "checkpoints" / "step-0000008"
    run(out, [*tiny, *EVALUATED], 8, resume=True)
    assert (out / "metrics.jsonl").read_text() == finished
    assert pointer(out / "checkpoints", "best") == best
    run(out, [*tiny, *EVALUATED], 9, resume=True)
    assert_same_run(whole, out)


def test_what_the_user_evaluated_is_kept_on_resume(tmp_path: Path, tiny: list[str]) -> None:
    out = tmp_path / "run"
    run(out, [*tiny, *EVALUATED], 4)
    evaluate_run(out, Choice(seed=7), QUIET, which="last", ema=None)
    run(out, [*tiny, *EVALUATED], 6, resume=True)
    records = read_metrics(out / "metrics.jsonl")
    found = [(r["step"], r["seed"]) for r in records if r["name"] == "evaluation"]
    assert found == [(3, 0), (4, 7), (6, 0)]


@posix_signals
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_signals(tmp_path: Path, tiny: list[str], name: str) -> None:
    number = signal.Signals[name]
    command = [sys.executable, "-m", "contragan", "train", "digits/contragan"]
    settings = [*tiny, "training.total_iterations=3000", "training.checkpoint_every_iterations=5"]
    command += [word for setting in settings for word in ("--set", setting)]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # sums are rounded as in this process
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "checkpoints" / "last").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    stopped_at = load_trainer(last(tmp_path / "run"))["iteration"]
    if name == "SIGKILL":
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number
        assert f"stopped by {name}; saved at iteration {stopped_at}" in said
    total = stopped_at + 3
    total -= total % 5 - 5
    run(tmp_path / "run", [*tiny, "training.checkpoint_every_iterations=5"], total, resume=True)
    run(tmp_path / "whole", [*tiny, "training.checkpoint_every_iterations=5"], total)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_time_limit_saves_and_stops(tmp_path: Path, tiny: list[str]) -> None:
    recipe = load_recipe("digits/contragan", [*tiny, "training.total_iterations=100000"])
    outcome = train(
        Request("digits/contragan", recipe, out=tmp_path / "run", max_minutes=1e-9), QUIET
    )
    assert outcome.stopped == "stopped by the time limit"
    assert outcome.exit_code == 124
    assert load_trainer(last(tmp_path / "run"))["iteration"] == 1


def test_another_run_is_not_overwritten(tmp_path: Path, tiny: list[str]) -> None:
    run(tmp_path / "run", tiny, 1)
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    with pytest.raises(UserError, match="holds this run already"):
        run(tmp_path / "run", tiny, 2)
    with pytest.raises(UserError, match=r"other settings \(training.batch_size\)"):
        run(tmp_path / "run", [*tiny, "training.batch_size=8"], 2, resume=True)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before


def test_an_infinite_loss_stops_with_iteration_and_term(tmp_path: Path, tiny: list[str]) -> None:
    overrides = [*tiny, "training.discriminator_optimizer.learning_rate=1e30"]
    with pytest.raises(UserError, match=r"loss term [dg]/\w+ became NaN or infinite at iteration"):
        run(tmp_path / "run", overrides, 50)
    assert not list((tmp_path / "run" / "checkpoints").glob("step-0000050"))


@pytest.mark.parametrize(
    ("bad_from", "kept"), [(2, "no checkpoint was saved"), (6, "step-0000004 is kept")]
)
def test_an_infinite_loss_says_what_is_kept(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch, bad_from: int, kept: str
) -> None:
    def add(meter: TermMeter, terms: Terms, iteration: int) -> None:
        worse = {name: term * torch.inf for name, term in terms.items()}
        count(meter, worse if iteration >= bad_from else terms, iteration)

    count = TermMeter.add
    monkeypatch.setattr(TermMeter, "add", add)
    with pytest.raises(UserError, match=f"at iteration {bad_from}: .*{kept}"):
        run(tmp_path / "run", tiny, 50)


def test_records_are_json_with_units(tmp_path: Path, tiny: list[str]) -> None:
    run(tmp_path / "run", tiny, 4)
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        assert {"step", "name", "value", "unit"} <= json.loads(line).keys()


@pytest.mark.parametrize("exists", [False, True])
def test_resuming_nothing_begins(
    tmp_path: Path, tiny: list[str], exists: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that a job which is requeued needs one command line only."""
    out = tmp_path / "run"
    if exists:
        out.mkdir()
    recipe = load_recipe("digits/contragan", [*tiny, "training.total_iterations=2"])
    request = Request("digits/contragan", recipe, out=out, resume=True)
    assert train(request, Console(width=300)).iteration == 2
    assert f"there is no run in {out} yet, starting from the beginning" in capsys.readouterr().out
    run(tmp_path / "whole", tiny, 2)
    assert_same_run(tmp_path / "whole", out)


def content(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def test_a_smaller_total_trains_and_changes_nothing(tmp_path: Path, tiny: list[str]) -> None:
    out = tmp_path / "run"
    assert run(out, tiny, 4).lines()[0] == "finished at iteration 4"
    before = content(out)
    outcome = run(out, tiny, 3, resume=True)
    assert outcome.lines()[0] == "nothing was trained: the run is at iteration 4 already"
    assert outcome.exit_code == 0
    assert content(out) == before
    outcome = run(out, tiny, 4, resume=True)
    assert outcome.lines()[0] == "nothing was trained: the run is at iteration 4 already"
    assert run(out, tiny, 6, resume=True).lines()[0] == "finished at iteration 6"


def test_a_folder_in_which_another_process_trains(tmp_path: Path, tiny: list[str]) -> None:
    out = tmp_path / "run"
    run(out, tiny, 2)
    lock = RunLock(out)
    lock.take()
    before = content(out)
    for resume in (False, True):
        with pytest.raises(UserError, match=rf"process {os.getpid()} on .* is training in {out}"):
            run(out, tiny, 4, resume=resume)
    assert content(out) == before
    # Whoever evaluates only adds a line to the log.
    evaluate_run(out, Choice(seed=7), QUIET, which="last", ema=None)
    lock.release()
    run(out, tiny, 4, resume=True)
    names = [record["name"] for record in read_metrics(out / "metrics.jsonl")]
    assert names.count("evaluation") == 1


class Planted:
    """An object that only code can make."""


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ({"iteration": 2, "object": Planted()}, "holds other objects than tensors"),
        ([1, 2], "does not hold a trainer's state"),
        ({"iteration": 2}, "is not the state of this recipe's trainer"),
        (None, "is damaged"),
    ],
)
def test_a_trainer_s_state_that_is_none(
    tmp_path: Path, tiny: list[str], trainer: object, message: str
) -> None:
    out = tmp_path / "run"
    run(out, tiny, 2)
    file = last(out) / "trainer.pt"
    if trainer is None:
        file.write_bytes(b"no archive")
    else:
        torch.save(trainer, file)
    manifest = json.loads((last(out) / "manifest.json").read_text())
    manifest["sha256"]["trainer.pt"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (last(out) / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=message):
        run(out, tiny, 4, resume=True)


def test_class_names_in_another_order_or_form() -> None:
    with pytest.raises(UserError, match=r"but the data has them in another order \(b, a\)"):
        check_classes(("a", "b"), ("b", "a"))
    with pytest.raises(UserError, match=r"but the data lacks a, c and adds d, e, f, g and 1 more:"):
        check_classes(("a", "b", "c"), ("b", *"defgh"))
    check_classes(("caf\u00e9", "b"), ("cafe\u0301", "b"))
