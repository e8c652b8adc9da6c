"""An evaluation of a loaded run: what is asked of it reaches the evaluator."""

from pathlib import Path

from rich.console import Console

from contragan.evaluation.choice import Choice
from contragan.evaluation.run import evaluator_of
from contragan.runs.model import load

QUIET = Console(quiet=True)


def test_what_is_asked_reaches_the_evaluator(trained_run: Path) -> None:
    log = (trained_run / "metrics.jsonl").read_bytes()
    model = load(trained_run)
    asked = Choice(features="pixels", num_images=16, metrics=("frechet_distance",), seed=5)
    evaluator = evaluator_of(model, asked, QUIET)
    assert (evaluator.seed, evaluator.metrics_asked) == (5, True)
    assert evaluator.generator is model.generator
    record = evaluator(model.iteration)
    assert record.seed == 5
    assert list(record.values) == ["frechet_distance"]
    assert not evaluator_of(model, Choice(features="pixels"), QUIET).metrics_asked
    assert (trained_run / "metrics.jsonl").read_bytes() == log
