"""``contragan.train`` from Python: settings by name, callbacks, Ctrl-C, a panel in a notebook."""

import os
import signal
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

import contragan
from contragan.evaluation.record import EvaluationRecord
from contragan.recipes.schema import load_recipe
from contragan.runs.checkpoint import pointer
from contragan.runs.log import read_metrics
from contragan.runs.run import Run
from contragan.training.callbacks import Iteration
from contragan.training.display import Display
from contragan.training.from_python import as_overrides

NAME = "digits/contragan"


def settings(tiny: list[str], **more: Any) -> dict[str, Any]:
    """The tiny settings as keyword arguments."""
    words: dict[str, Any] = {"null": None, "false": False}
    named = [setting.split("=", 1) for setting in tiny]
    return {key: words.get(text, int(text) if text.isdigit() else text) for key, text in named} | (
        more
    )


def test_callbacks_see_iterations_and_evaluations_and_may_stop(
    tmp_path: Path, tiny: list[str]
) -> None:
    seen: list[Iteration] = []
    scores: list[float] = []

    def on_evaluation(iteration: int, record: EvaluationRecord) -> bool:
        scores.append(record.values["frechet_distance"])
        return iteration < 6

    changed = settings(tiny, total_iterations=50)
    changed["training.evaluate_every_iterations"] = 3
    run = contragan.train(
        NAME,
        out=tmp_path / "run",
        quiet=True,
        on_iteration=seen.append,
        on_evaluation=on_evaluation,
        **changed,
    )
    assert [now.iteration for now in seen] == [1, 2, 3, 4, 5, 6]
    assert seen[0].total_iterations == 50
    assert not seen[0].terms
    assert "d/contrastive" in seen[-1].terms
    assert scores == [
        record["value"]
        for record in read_metrics(run.path / "metrics.jsonl")
        if record["name"] == "evaluation/frechet_distance"
    ]
    assert contragan.load(run.path, which="last").iteration == 6


def test_ctrl_c_saves_and_resuming_ends_as_a_whole_run(tmp_path: Path, tiny: list[str]) -> None:
    changed = settings(tiny, total_iterations=5)

    def press(now: Iteration) -> None:
        if now.iteration == 2:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        contragan.train(NAME, out=tmp_path / "parts", quiet=True, on_iteration=press, **changed)
    assert signal.getsignal(signal.SIGINT) is before
    weights = []
    for run in (
        contragan.train(NAME, out=tmp_path / "parts", resume=True, quiet=True, **changed),
        contragan.train(NAME, out=tmp_path / "whole", quiet=True, **changed),
    ):
        last = pointer(run.checkpoints, "last")
        assert last is not None
        weights.append(load_file(last / "generator.safetensors"))
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_it_trains_in_another_thread_too(tmp_path: Path, tiny: list[str]) -> None:
    found: list[Run] = []
    changed = settings(tiny, total_iterations=1)

    def work() -> None:
        found.append(contragan.train(NAME, out=tmp_path / "run", quiet=True, **changed))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert [run.path for run in found] == [tmp_path / "run"]


def test_settings_keep_their_types() -> None:
    ada = {"kind": "ada", "groups": ("blit",), "target": 0.5, "ramp_images": 10, "interval": 1}
    given = {
        "total_iterations": 7,
        "generator.channels": 8,
        "generator_optimizer.learning_rate": 1e-5,
        "ema": None,
        "classes": ("007", "no"),
        "augmentation": ada,
        "synchronized_batch_norm": True,
    }
    found = load_recipe(NAME, list(as_overrides(load_recipe(NAME), given)))
    assert found.training.total_iterations == 7
    assert found.generator.model_dump()["channels"] == 8
    assert found.training.generator_optimizer.learning_rate == 1e-5
    assert found.training.ema is None
    assert found.data.classes == ("007", "no")
    assert found.augmentation is not None
    assert found.augmentation.model_dump() == ada
    assert found.training.synchronized_batch_norm


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"channels": 8}, r"channels could be data.channels, generator.channels, .*\*\*\{'data"),
        ({"batch_sise": 8}, "batch_sise"),
        ({"batch_size": "many"}, "batch_size"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, given: dict[str, Any], expected: str) -> None:
    with pytest.raises(contragan.UserError, match=expected):
        contragan.train(NAME, out=tmp_path / "run", quiet=True, **given)
    assert not (tmp_path / "run").exists()


def test_a_notebook_has_the_live_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn through ipywidgets; plain lines where a notebook lacks them."""
    shown: list[str] = []

    class Output:
        def __enter__(self) -> None: ...

        def __exit__(self, *error: object) -> None: ...

        def clear_output(self, wait: bool = False) -> None:
            shown.append("redrawn")

    widgets, jupyter = ModuleType("ipywidgets"), ModuleType("IPython.display")
    widgets.Output = Output  # type: ignore[attr-defined]
    jupyter.display = lambda *parts: shown.append("displayed")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets)
    monkeypatch.setitem(sys.modules, "IPython.display", jupyter)
    display = Display(Console(force_jupyter=True), 10)
    monkeypatch.setattr("contragan.training.display.find_spec", lambda name: object())
    with display.open():
        display.step(1)
    assert {"displayed", "redrawn"} <= set(shown)
    shown.clear()
    monkeypatch.setattr("contragan.training.display.find_spec", lambda name: None)
    with display.open():
        display.step(2)
    assert "redrawn" not in shown
