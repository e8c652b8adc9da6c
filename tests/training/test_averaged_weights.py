"""What is scored, kept and loaded: the averaged weights, the right images, the best checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

import contragan
from contragan.evaluation.choice import Choice
from contragan.evaluation.evaluator import Evaluator
from contragan.evaluation.record import EvaluationRecord
from contragan.evaluation.run import evaluate_run
from contragan.recipes.schema import load_recipe
from contragan.runs.checkpoint import checkpoints, pointer
from contragan.runs.log import read_metrics
from contragan.runs.sampling import ImageSampler
from contragan.training.setup import Request
from contragan.training.train import train

QUIET = Console(quiet=True)
SETTINGS = [
    "training.ema={decay: 0.9, start_iteration: 0}",
    "training.generator_optimizer.learning_rate=5e-3",
    "training.evaluate_every_iterations=2",
    "training.checkpoint_every_iterations=2",
    "evaluation.reference=train",
]


def run(out: Path, tiny: list[str], iterations: int, *, resume: bool = False) -> None:
    overrides = [*tiny, *SETTINGS, f"training.total_iterations={iterations}"]
    recipe = load_recipe("digits/contragan", overrides)
    train(Request("digits/contragan", recipe, out=out, resume=resume), QUIET)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: list[str]) -> Path:
    out = tmp_path_factory.mktemp("averaged") / "run"
    run(out, tiny, 6)
    return out


def last_record(out: Path) -> EvaluationRecord:
    records = [r for r in read_metrics(out / "metrics.jsonl") if r["name"] == "evaluation"]
    return EvaluationRecord.from_dict(records[-1])


def evaluated(out: Path, ema: bool) -> EvaluationRecord:
    return evaluate_run(out, Choice(), QUIET, which="last", ema=ema)


def test_a_run_is_scored_by_its_average_during_training_and_afterwards(finished: Path) -> None:
    during = last_record(finished)
    averaged, live = evaluated(finished, True), evaluated(finished, False)
    assert during.context["iteration"] == 6
    assert during.context["ema"] is averaged.context["ema"] is True
    assert live.context["ema"] is False
    for name, value in during.values.items():
        assert averaged.values[name] == pytest.approx(value, rel=1e-4), name
    distance = "frechet_distance"
    assert abs(live.values[distance] / averaged.values[distance] - 1) > 0.01


def test_samples_come_from_the_average(finished: Path) -> None:
    model = contragan.load(finished, which="last")
    folder = finished / "checkpoints" / "step-0000006"
    files = [load_file(folder / f"generator{end}.safetensors") for end in ("_ema", "")]
    found = dict(model.generator.state_dict())
    torch.testing.assert_close({name: found[name] for name in files[0]}, files[0], rtol=0, atol=0)
    assert not torch.equal(found["linear.weight"], files[1]["linear.weight"])
    labels = torch.arange(10)
    images = ImageSampler(model.generator, 3)(labels)
    assert torch.equal(model.sample(seed=3), images)


def test_scores_are_against_the_split_that_was_asked_for(finished: Path) -> None:
    record = last_record(finished)
    other = evaluate_run(finished, Choice(reference="test"), QUIET, which="last", ema=None)
    for found, split in ((record, "train"), (other, "test")):
        assert found.protocol["data"]["split"] == found.protocol["reference"] == split
    assert record.counts["reference"] > 2 * other.counts["reference"]
    assert record.protocol["data"]["fingerprint"] != other.protocol["data"]["fingerprint"]


SCORES = {2: 5.0, 4: 3.0, 6: 4.0, 8: 6.0, 10: 7.0, 12: 3.5, 14: 2.0}


def test_the_best_checkpoint_is_the_one_with_the_smallest_distance_and_stays(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def scored(evaluator: Evaluator, iteration: int) -> EvaluationRecord:
        record = evaluate(evaluator, iteration)
        return replace(record, values={"frechet_distance": SCORES[iteration]})

    def kept(iterations: int) -> list[str]:
        run(tmp_path / "run", tiny, iterations, resume=iterations > 2)
        folder = tmp_path / "run" / "checkpoints"
        best = pointer(folder, "best")
        assert best is not None
        return [best.name[-2:], *(path.name[-2:] for path in checkpoints(folder))]

    evaluate = Evaluator.__call__
    monkeypatch.setattr(Evaluator, "__call__", scored)
    assert kept(2) == ["02", "02"]
    assert kept(4) == ["04", "02", "04"]
    assert kept(10) == ["04", "04", "08", "10"]
    # Resumed, the run still knows what it has to beat.
    assert kept(12) == ["04", "04", "10", "12"]
    assert kept(14) == ["14", "12", "14"]
