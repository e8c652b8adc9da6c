"""What is read of a run's folder."""

import json
from pathlib import Path

import pytest
from generated_runs import SCORES, fill
from safetensors.torch import save_file

from contragan.recipes.gan import build
from contragan.recipes.schema import load_recipe
from contragan.studies.readings import Reading, read_run


def test_best_is_the_lowest_distance_and_its_other_scores(tmp_path: Path) -> None:
    best = {**SCORES, "frechet_distance": 10.0, "class_accuracy": 0.25}
    later = {**SCORES, "frechet_distance": 30.0, "class_accuracy": 0.875}
    fill(tmp_path / "run", [(2000, SCORES), (4000, best), (6000, later)], 6000)
    reading = read_run(tmp_path / "run")
    assert reading.best is not None
    assert reading.last is not None
    assert (reading.best.iteration, reading.best.scores) == (4000, best)
    assert (reading.last.iteration, reading.last.scores) == (6000, later)
    assert reading.record["step"] == 6000
    assert reading.record["counts"]["reference"] == 10_000
    assert reading.seconds_each == pytest.approx(0.25)
    slow = {"step": 6000, "name": "iterations_per_second", "value": 0.01}
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write(f"{json.dumps(slow)}\n" * 3)
    # The machine did something else for a while: the median does not follow.
    assert read_run(tmp_path / "run").seconds_each == pytest.approx(0.25)


def test_a_distance_that_is_not_a_number_is_never_the_best(tmp_path: Path) -> None:
    bad = {"frechet_distance": float("nan")}
    fill(tmp_path / "run", [(1, bad), (2, {"frechet_distance": 7.0}), (3, bad)], 3)
    reading = read_run(tmp_path / "run")
    assert reading.best is not None
    assert reading.best.iteration == 2
    fill(tmp_path / "all-bad", [(1, bad), (2, bad)], 2)
    assert read_run(tmp_path / "all-bad").best is None


def test_a_users_own_evaluation_is_not_trainings(tmp_path: Path) -> None:
    fill(tmp_path / "run", [(2, SCORES)], 2)
    own = {"step": 2, "name": "evaluation", "values": {"frechet_distance": 0.1}, "counts": {}}
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1, "name": "d/adversarial", "value": 1.0}\n' + json.dumps(own) + "\n")
    reading = read_run(tmp_path / "run")
    assert [e.scores["frechet_distance"] for e in reading.evaluations] == [20.0]
    assert reading.record["counts"] != {}


def test_what_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    fill(tmp_path / "run", [(2, SCORES)], 2)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "name": "evaluation/frechet_dis')
    assert [e.iteration for e in read_run(tmp_path / "run").evaluations] == [2]


def test_a_folder_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    assert read_run(tmp_path / "nothing") == Reading()


@pytest.mark.parametrize("name", ["cifar10/contragan", "cifar10/sngan", "cifar10/wgan-gp"])
def test_parameters_are_counted_without_loading_a_network(tmp_path: Path, name: str) -> None:
    recipe = load_recipe(name, ["generator.channels=8", "discriminator.channels=8"])
    gan = build(recipe, 10, seed=0)
    checkpoint = tmp_path / "checkpoints" / "step-0000001"
    checkpoint.mkdir(parents=True)
    (tmp_path / "checkpoints" / "last").write_text(checkpoint.name)
    for part in ("generator", "discriminator"):
        state = {k: v.contiguous() for k, v in getattr(gan, part).state_dict().items()}
        save_file(state, checkpoint / f"{part}.safetensors")
    expected = tuple(
        sum(p.numel() for p in network.parameters())
        for network in (gan.generator, gan.discriminator)
    )
    assert read_run(tmp_path).parameters == expected
    (checkpoint / "generator.safetensors").write_bytes(b"\xff" * 20)
    assert read_run(tmp_path).parameters is None
