"""What the loop does between two iterations, and in which order, with a step that only counts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from rich.console import Console
from torch import nn

from contragan.core.errors import UserError
from contragan.core.types import Terms
from contragan.recipes.schema import TrainingConfig, load_recipe
from contragan.runs.checkpoint import checkpoints
from contragan.runs.log import MetricsLog, read_metrics
from contragan.training.display import Display
from contragan.training.ema import EMA
from contragan.training.loop import Loop
from contragan.training.score import Score
from contragan.training.step import Step
from contragan.training.stop import Stop
from contragan.training.terms import NonFiniteLoss


class Counting:
    """In place of the two updates: notes what is called; a loss is the number of its update."""

    def __init__(self, calls: list[str], nan_at: int | None = None) -> None:
        self.calls, self.nan_at = calls, nan_at
        self.seed = 0
        self.fabric = SimpleNamespace(device=torch.device("cpu"))
        self.gan = SimpleNamespace(generator=nn.Linear(1, 1), discriminator=nn.Linear(1, 1))
        self.objective = SimpleNamespace(
            begin=lambda iteration: calls.append(f"begin {iteration}"),
            state_dict=dict,
            load_state_dict=lambda state: None,
        )
        self.discriminator_optimizer = torch.optim.SGD(self.gan.discriminator.parameters())
        self.generator_optimizer = torch.optim.SGD(self.gan.generator.parameters())
        self.augmentation = SimpleNamespace(
            state_dict=dict, load_state_dict=lambda state: None, readings=dict
        )

    def fetch(self, update: int) -> tuple[int]:
        return (update,)

    def discriminator_step(self, update: int, parts: tuple[int]) -> Terms:
        assert parts == (update,)
        self.calls.append(f"D {update}")
        return {"adversarial": torch.tensor(float(update))}

    def generator_step(self, update: int) -> Terms:
        self.calls.append(f"G {update}")
        nn.init.constant_(self.gan.generator.weight, update + 1)
        value = float("nan") if update == self.nan_at else float(update)
        return {"adversarial": torch.tensor(value)}


class Scores:
    """An evaluation whose values are given by iteration."""

    def __init__(self, calls: list[str], values: dict[int, float]) -> None:
        self.calls, self.values = calls, values

    def __call__(self, iteration: int) -> Score:
        self.calls.append(f"evaluate {iteration}")
        value = self.values[iteration]
        line = {"step": iteration, "name": "evaluation/fid", "value": value, "unit": "1"}
        return Score(value, {"fid": value}, [line], ())


Make = Callable[..., Loop]


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def make(calls: list[str], tmp_path: Path) -> Iterator[Make]:
    logs: list[MetricsLog] = []

    def loop(values: dict[int, float], nan_at: int | None = None, **settings: Any) -> Loop:
        training = load_recipe("digits/contragan").training.model_dump()
        schedule = {
            "total_iterations": 6,
            "discriminator_steps": 1,
            "log_every_iterations": 100,
            "sample_every_iterations": 100,
            "checkpoint_every_iterations": 100,
            "evaluate_every_iterations": None,
            "evaluate_at_start": False,
        }
        log = MetricsLog(tmp_path)
        logs.append(log)
        ema = SimpleNamespace(
            average=nn.Linear(1, 1), update=lambda iteration: calls.append(f"EMA {iteration}")
        )
        return Loop(
            step=cast(Step, Counting(calls, nan_at)),
            ema=cast(EMA, ema),
            config=TrainingConfig(**training | schedule | settings),
            display=Display(Console(file=io.StringIO()), 6),
            checkpoints=tmp_path / "checkpoints",
            facts={"class_names": ["a"]},
            evaluate=Scores(calls, values),
            draw_samples=lambda iteration: calls.append(f"draw {iteration}"),
            log=log,
        )

    yield loop
    for log in logs:
        log.close()


def saved(loop: Loop) -> list[int]:
    return [int(path.name.removeprefix("step-")) for path in checkpoints(loop.checkpoints)]


def test_an_iteration_is_the_d_updates_then_the_g_update_then_the_average(
    make: Make, calls: list[str]
) -> None:
    assert make({}, total_iterations=2, discriminator_steps=2).fit(Stop()) is None
    assert calls == [
        "draw 0",
        *("begin 0", "D 0", "D 1", "G 0", "EMA 1"),
        *("begin 1", "D 2", "D 3", "G 1", "EMA 2"),
        "draw 2",
    ]


def test_everything_happens_when_it_is_due_and_once(make: Make, calls: list[str]) -> None:
    loop = make(
        {0: 9, 4: 5, 6: 7},
        sample_every_iterations=3,
        checkpoint_every_iterations=5,
        evaluate_every_iterations=4,
        evaluate_at_start=True,
    )
    assert loop.fit(Stop()) is None
    between = [call for call in calls if call.startswith(("draw", "evaluate"))]
    expected = ["draw 0", "evaluate 0", "draw 3", "evaluate 4", "draw 6", "evaluate 6"]
    assert between == expected
    # An evaluation is of a saved checkpoint, and the last iteration is saved and evaluated.
    assert saved(loop) == [4, 5, 6]
    assert (loop.checkpoints / "last").read_text().strip() == "step-0000006"


def test_the_best_is_the_lowest_and_of_equals_the_first(make: Make) -> None:
    loop = make({2: 5, 4: 3, 6: 3}, checkpoint_every_iterations=2, evaluate_every_iterations=2)
    loop.fit(Stop())
    assert (loop.best, loop.best_iteration) == (3, 4)
    assert (loop.checkpoints / "best").read_text().strip() == "step-0000004"


def test_the_log_holds_means_since_the_last_line(make: Make, tmp_path: Path) -> None:
    loop = make({}, total_iterations=4, discriminator_steps=2, log_every_iterations=2)
    loop.fit(Stop())
    found = {(r["step"], r["name"]): r["value"] for r in read_metrics(tmp_path / "metrics.jsonl")}
    assert found.pop((2, "iterations_per_second")) > 0
    assert found.pop((4, "iterations_per_second")) > 0
    assert found == {
        (2, "d/adversarial"): 1.5,  # of D's updates 0, 1, 2 and 3
        (4, "d/adversarial"): 5.5,
        (2, "g/adversarial"): 0.5,
        (4, "g/adversarial"): 2.5,
    }


def test_a_stopped_run_is_saved_where_it_is_and_not_evaluated(make: Make, calls: list[str]) -> None:
    loop = make({6: 1}, evaluate_every_iterations=4)
    assert loop.fit(Stop(max_minutes=0)) == "stopped by the time limit"
    assert saved(loop) == [1]
    assert calls == ["draw 0", "begin 0", "D 0", "G 0", "EMA 1"]


def test_what_is_not_finite_is_never_saved(make: Make) -> None:
    loop = make({}, nan_at=4, checkpoint_every_iterations=2)
    with pytest.raises(
        NonFiniteLoss, match=r"g/adversarial .* iteration 5: .*step-0000004 is kept"
    ):
        loop.fit(Stop())
    assert saved(loop) == [2, 4]


def test_the_last_iteration_is_looked_at_before_it_is_saved(make: Make) -> None:
    loop = make({}, nan_at=5)
    with pytest.raises(NonFiniteLoss, match=r"iteration 6: .*no checkpoint was saved before"):
        loop.fit(Stop())
    assert saved(loop) == []


def test_an_evaluation_that_fails_loses_no_iteration_and_is_made_again(
    make: Make, calls: list[str]
) -> None:
    settings = {"evaluate_every_iterations": 4}
    loop = make({}, **settings)
    with pytest.raises(KeyError):
        loop.fit(Stop())
    assert saved(loop) == [4]
    again = make({4: 2, 6: 3}, **settings)
    again.resume(loop.checkpoints / "step-0000004")
    assert again.iteration == 4
    torch.testing.assert_close(
        again.step.gan.generator.state_dict(), loop.step.gan.generator.state_dict()
    )
    calls.clear()
    again.fit(Stop())
    assert calls[:3] == ["evaluate 4", "begin 4", "D 4"]
    assert (again.best, again.best_iteration) == (2, 4)


def test_a_resumed_run_does_not_repeat_an_evaluation_that_ended(
    make: Make, calls: list[str]
) -> None:
    settings = {"checkpoint_every_iterations": 2, "evaluate_every_iterations": 4}
    loop = make({4: 2, 6: 3}, **settings)
    loop.fit(Stop())
    noted = json.loads((loop.checkpoints / "step-0000004" / "evaluated.json").read_text())
    assert noted == {"best": 2, "best_iteration": 4, "extra": False}
    calls.clear()
    again = make({6: 3}, **settings)
    again.resume(loop.checkpoints / "step-0000004")
    again.fit(Stop())
    assert calls[0] == "begin 4"
    assert (again.best, again.best_iteration) == (2, 4)


def test_a_full_disk_ends_the_run(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise UserError("the disk is full")

    monkeypatch.setattr("contragan.training.loop.save_checkpoint", full)
    with pytest.raises(UserError, match="the disk is full"):
        make({}).fit(Stop())


def test_the_time_of_the_whole_run_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contragan.training.outlook.SAY_BY", 0.0)  # rather than after 50 seconds
    monkeypatch.setattr(
        "contragan.training.outlook.Outlook.start", lambda outlook: None
    )  # no timer
    loop = make({})
    file = io.StringIO()
    loop.display = Display(Console(file=file), 6)
    loop.fit(Stop())
    first, second, *_ = file.getvalue().splitlines()
    assert first.startswith("about 1 s in all on this machine (")
    assert "by the first, the slowest" in first
    assert second.startswith("about 1 s in all on this machine (")
