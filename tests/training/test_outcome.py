"""What is told at the end of a training."""

from __future__ import annotations

from pathlib import Path

from contragan.training.outcome import Outcome

RUN = Path("runs/digits/contragan/0")


def test_a_stop_says_which_iteration_the_scores_are_from_and_how_to_go_on() -> None:
    outcome = Outcome(
        RUN,
        430,
        "stopped by SIGTERM",
        143,
        None,
        f"contragan resume {RUN}",
        scores={"Fréchet distance": 12.345, "class accuracy": 0.5},
        scored_at=400,
        best=11.2,
        best_iteration=200,
    )
    assert outcome.lines() == [
        "stopped by SIGTERM; saved at iteration 430",
        "at iteration 400: Fréchet distance 12.35  class accuracy 0.5",
        "best checkpoint: iteration 200, Fréchet distance 11.2",
        "run: runs/digits/contragan/0",
        "go on: contragan resume runs/digits/contragan/0",
    ]


def test_an_end_whose_last_evaluation_is_the_best() -> None:
    outcome = Outcome(
        RUN, 8, None, 0, RUN / "a.png", "", {"FID": 3.0}, scored_at=8, best=3.0, best_iteration=8
    )
    assert outcome.lines() == [
        "finished at iteration 8",
        "at iteration 8: FID 3",
        "pictures: runs/digits/contragan/0/a.png (one row per class)",
        "run: runs/digits/contragan/0",
    ]
