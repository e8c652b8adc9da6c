"""When the collapse guard speaks, when it is silent, and what it does to a run."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sklearn.datasets import load_digits

from contragan.core.errors import UserError
from contragan.core.pictures import save_image, to_pil
from contragan.recipes.schema import load_recipe
from contragan.runs.log import read_metrics
from contragan.runs.run import open_run
from contragan.training.guard import (
    SEPARATED,
    History,
    collapses,
    first_collapse,
    overfitted_at,
    separation,
)
from contragan.training.outcome import Outcome
from contragan.training.score import Score
from contragan.training.setup import Request
from contragan.training.train import train

HEALTHY = {
    "logit_mean_train": 0.5,
    "logit_std_train": 0.4,
    "logit_mean_generated": -0.5,
    "logit_std_generated": 0.4,
    "authenticity_train": 0.8,
    "authenticity_held_out": 0.7,
    "saturated": 0.3,
    "image_difference": 1.9,
    "gradient_norm_g": 4.0,
}
CONSTANT = {
    "logit_mean_train": -0.4,
    "logit_std_train": 0.0,
    "logit_mean_generated": -0.4,
    "logit_std_generated": 1e-6,
}
USELESS = {"logit_mean_train": -0.42, "gradient_norm_g": 0.009}


def history(*changes: dict[str, float], distances: dict[int, float] | None = None) -> History:
    signals = {100 * (i + 1): HEALTHY | change for i, change in enumerate(changes)}
    return History(signals, distances or {})


def kinds(found: History) -> list[str]:
    return [finding.kind for finding in collapses(found)]


def test_a_healthy_history_is_not_a_collapse() -> None:
    assert kinds(history({}, {}, {}, distances={0: 40, 100: 12, 200: 8, 300: 11, 400: 9})) == []
    assert kinds(History()) == []


@pytest.mark.parametrize(
    ("kind", "shows", "needed"),
    [
        ("dead discriminator", CONSTANT, 2),
        ("dead discriminator", dict.fromkeys(CONSTANT, 0.0), 2),
        ("saturated discriminator", {"saturated": 0.99}, 3),
        ("useless discriminator", USELESS, 3),
        ("useless discriminator", USELESS | {"logit_mean_train": -0.59}, 3),
        ("identical images", {"image_difference": 0.005}, 2),
    ],
)
def test_a_sign_must_last(kind: str, shows: dict[str, float], needed: int) -> None:
    assert kinds(history({}, *[shows] * (needed - 1))) == []
    assert kinds(history({}, *[shows] * (needed - 1), {}, shows)) == []
    found = collapses(history({}, *[shows] * needed))
    assert [(finding.kind, finding.iteration) for finding in found] == [(kind, 200)]


@pytest.mark.parametrize(
    "near",
    [
        {"saturated": 0.98},
        {"image_difference": 0.009},
        USELESS | {"logit_mean_train": -0.39},
        USELESS | {"logit_mean_train": -0.61},
        USELESS | {"gradient_norm_g": 0.011},
    ],
)
def test_what_is_nearly_a_sign_is_none(near: dict[str, float]) -> None:
    assert kinds(history(near, near, near, near)) == []


def test_a_critic_without_a_boundary_may_have_any_scale() -> None:
    tiny = {name: value * 1e-8 for name, value in HEALTHY.items() if "logit" in name}
    assert kinds(History({100: tiny, 200: tiny, 300: tiny})) == []
    assert kinds(history(tiny, tiny, tiny)) == ["dead discriminator"]


def test_the_distance_counts_sooner_where_d_has_overfitted() -> None:
    overfitted = {"authenticity_train": 0.95, "authenticity_held_out": 0.4}
    falls = {0: 40.0, 100: 10.0, 200: 16.0, 300: 17.0}
    assert kinds(history({}, {}, distances=falls)) == []
    assert kinds(history({}, overfitted, {}, distances=falls)) == ["distance"]
    assert kinds(history({}, {}, distances=falls | {400: 21.0})) == []
    assert kinds(history({}, {}, distances=falls | {400: 21.0, 500: 20.1})) == ["distance"]
    assert kinds(history({}, overfitted, distances=falls | {400: 9.0})) == []
    assert overfitted_at(history({}, overfitted, {})) == 200
    assert overfitted_at(history({}, {})) is None


def test_a_log_alone_says_where_its_run_collapsed() -> None:
    falls = {100: 10.0, 200: 21.0, 300: 25.0, 400: 5.0, 500: 5.0}
    found = first_collapse(History(distances=falls))
    assert found is not None
    assert (found.kind, found.iteration) == ("distance", 200)
    assert first_collapse(History(distances={100: 10.0, 200: 9.0, 300: 12.0})) is None
    at_the_end = first_collapse(History(distances={100: 10.0, 200: 21.0, 300: 25.0}))
    assert at_the_end is not None
    assert at_the_end.iteration == 200
    same_image = first_collapse(history({}, *[{"image_difference": 0.005}] * 2))
    assert same_image is not None
    assert (same_image.kind, same_image.iteration) == ("identical images", 200)


LOGS = json.loads((Path(__file__).parent / "stability_logs.json").read_text())
"""Signals of short trainings, which docs/stability.md describes."""

FOUND = {
    "bad-acgan-d1": ("dead discriminator", 20),
    "bad-dcgan-nonorm": ("dead discriminator", 20),
    "bad-eq7-d0.1": ("dead discriminator", 140),
    "bad-eq7-d1": ("dead discriminator", 20),
    "bad-lsgan-d1": ("dead discriminator", 20),
    "bad-projgan-d0.05": ("dead discriminator", 20),
    "bad-projgan-d0.3": ("useless discriminator", 20),
    "bad-projgan-d1": ("dead discriminator", 20),
    "bad-projgan-strongd": ("saturated discriminator", 140),
}
"""In all others the guard finds nothing: in the good ones, and in eight of the bad."""


def logged(name: str) -> History:
    log = LOGS[name]
    measured = zip(*log["signals"].values(), strict=True)
    signals = [dict(zip(log["signals"], values, strict=True)) for values in measured]
    return History(
        dict(zip(log["iterations"], signals, strict=True)),
        {int(step): value for step, value in log["distances"].items()},
    )


@pytest.mark.parametrize("name", LOGS)
def test_the_guard_on_logs_of_many_trainings(name: str) -> None:
    found = first_collapse(logged(name))
    assert (found and (found.kind, found.iteration)) == FOUND.get(name)


def test_the_thresholds_lie_far_from_what_good_trainings_show() -> None:
    """The margins that docs/stability.md states."""
    good = {name: logged(name) for name in LOGS if name.startswith("good-")}
    assert len(good) == 18
    signals = [each for history in good.values() for each in history.signals.values()]
    assert max(each.get("saturated", 0.0) for each in signals) == pytest.approx(0.715, abs=5e-4)
    assert min(each["gradient_norm_g"] for each in signals) == pytest.approx(0.607, abs=5e-4)
    assert min(each["image_difference"] for each in signals) == pytest.approx(1.696, abs=5e-4)
    apart = {name: [separation(s) for s in h.signals.values()] for name, h in good.items()}
    close = {n for n, values in apart.items() if any(v and abs(v) < SEPARATED for v in values)}
    # Only the gradient tells these runs from useless ones.
    assert close == {"good-dcgan", "good-ggan", "good-cifar-dcgan", "good-cifar-wgan-gp"}


def test_what_a_useless_discriminator_is_told() -> None:
    (found,) = collapses(history({}, *[USELESS] * 3))
    assert found.says == (
        "the discriminator tells real images from generated ones no better than chance (the means "
        "of its logits are 0.20 standard deviations apart), and the generator gets no gradient "
        "(norm 0.009)"
    )


def test_a_guard_that_sees_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"set training\.stability_every_iterations too"):
        load_recipe("digits/contragan", ["training.on_collapse=stop"])
    blind = ["training.stability_every_iterations=5", "training.evaluate_every_iterations=null"]
    with pytest.raises(UserError, match=r"set training\.evaluate_every_iterations too"):
        load_recipe("digits/contragan", [*blind, "training.on_collapse=rollback"])


def guarded(
    folder: Path, overrides: list[str], recipe: str = "digits/wgan", **how: Any
) -> tuple[Outcome, str]:
    output = io.StringIO()
    settings = load_recipe(recipe, ["training.stability_every_iterations=2", *overrides])
    outcome = train(Request(recipe, settings, out=folder, **how), Console(file=output, width=500))
    return outcome, output.getvalue()


# All of D's weights are as good as 0, so that it gives every image the logit 0.
DEAD = [
    "adversarial={kind: hinge}",
    "regularizers=[{kind: weight_clipping, bound: 1.0e-7}]",
    "training.total_iterations=8",
]


def small(tiny: list[str]) -> list[str]:
    return [s for s in tiny if "shared_dim" not in s and "latent_dim" not in s]


@pytest.mark.parametrize("choice", ["ignore", "warn", "stop"])
def test_a_dead_discriminator_is_told_as_asked(
    tmp_path: Path, tiny: list[str], choice: str
) -> None:
    settings = [*small(tiny), *DEAD, f"training.on_collapse={choice}"]
    outcome, said = guarded(tmp_path / "run", settings)
    assert said.count("the discriminator gives every image the same logit") == (choice != "ignore")
    assert outcome.exit_code == (3 if choice == "stop" else 0)
    assert outcome.iteration == (4 if choice == "stop" else 8)
    rate = "note: lower its learning rate (training.discriminator_optimizer.learning_rate, 0.0002"
    assert said.count(rate) == (choice != "ignore")
    if choice != "stop":
        return
    assert outcome.lines()[0].startswith("stopped by the collapse guard: the discriminator gives")
    # It goes on where that is asked for, and stops again where it is not.
    again, _ = guarded(tmp_path / "run", settings, resume=True)
    assert (again.exit_code, again.iteration) == (3, 6)
    settings[-1] = "training.on_collapse=ignore"
    last, _ = guarded(tmp_path / "run", settings, resume=True)
    assert (last.exit_code, last.iteration) == (0, 8)


def test_a_rollback_leaves_the_best_weights_as_the_last(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    distances = {2: 9.0, 4: 5.0, 6: 11.0, 8: 12.0, 10: 4.0}

    def scored(evaluator: object, iteration: int) -> Score:
        value = distances[iteration]
        record = {"step": iteration, "name": "evaluation/frechet_distance", "value": value}
        return Score(value, {}, [record | {"unit": "distance"}], ())

    monkeypatch.setattr("contragan.training.train.score", scored)
    monkeypatch.setattr("contragan.training.train.make_evaluator", lambda *args: None)
    settings = [
        *tiny,
        "training.total_iterations=10",
        "training.evaluate_every_iterations=2",
        "training.on_collapse=rollback",
    ]
    folder = tmp_path / "run"
    outcome, said = guarded(folder, settings, "digits/projgan")
    assert "warning: collapse since iteration 6: the distance is 12, and 5 at its best" in said
    assert "went back to the best checkpoint" in outcome.lines()[0]
    assert (outcome.exit_code, outcome.iteration) == (3, 4)
    saved = open_run(folder).checkpoints
    assert [path.name for path in sorted(saved.glob("step-*"))][-1] == "step-0000004"
    assert (saved / "last").read_text() == (saved / "best").read_text() == "step-0000004"
    assert max(record["step"] for record in read_metrics(folder / "metrics.jsonl")) == 8
    settings[-1] = "training.on_collapse=warn"
    again, _ = guarded(folder, settings, "digits/projgan", resume=True)
    assert (again.exit_code, again.iteration) == (0, 10)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["contragan", "projgan", "reacgan", "acgan", "dcgan"])
def test_the_guard_is_silent_on_healthy_runs(tmp_path: Path, method: str) -> None:
    settings = [
        "training.total_iterations=600",
        "training.evaluate_every_iterations=100",
        "training.on_collapse=stop",
        "training.stability_every_iterations=25",
        "evaluation.metrics=[frechet_distance]",
    ]
    outcome, said = guarded(tmp_path / "run", settings, f"digits/{method}")
    assert (outcome.exit_code, outcome.iteration) == (0, 600)
    assert "collapse" not in said


def few_digits(root: Path) -> Path:
    """Six training images of each digit, and forty others as the test split."""
    import numpy as np
    import torch
    from PIL import Image

    data = load_digits()
    for digit in range(10):
        rows = np.flatnonzero(data.target == digit)
        for split, chosen in (("train", rows[:6]), ("test", rows[6:46])):
            for row in chosen:
                pixels = np.rint(data.images[row] * (255 / 16)).astype(np.uint8)
                picture = to_pil(torch.from_numpy(pixels[None]))
                large = picture.resize((16, 16), Image.Resampling.BICUBIC)
                save_image(large, root / split / str(digit) / f"{row}.png")
    return root


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_projection_on_few_images_collapses_and_is_stopped(tmp_path: Path) -> None:
    settings = [
        "data={kind: folder, resolution: 16, channels: 1, horizontal_flip: false, "
        "fake_labels: uniform}",
        "training.total_iterations=2400",
        "training.stability_every_iterations=50",
        "training.evaluate_every_iterations=150",
        "training.on_collapse=stop",
        "evaluation.reference=test",
        "evaluation.metrics=[frechet_distance]",
    ]
    data = few_digits(tmp_path / "few")
    outcome, said = guarded(tmp_path / "run", settings, "digits/projgan", data=data)
    assert "note: the discriminator has overfitted since iteration" in said
    assert outcome.exit_code == 3
    assert outcome.stopped is not None
    assert "the distance is" in outcome.stopped
    assert outcome.iteration < 2400
