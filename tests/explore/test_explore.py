"""What the page shows, without the page: pictures and their commands, verdicts, neighbours."""

from __future__ import annotations

import json
import shlex
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import contragan
from contragan.cli import application
from contragan.core.errors import UserError
from contragan.data import load_dataset
from contragan.explore.explorer import Explorer
from contragan.explore.neighbours import TrainingImages
from contragan.explore.serve import check_port, free_port, serving
from contragan.explore.shown import MOST_IMAGES, Asked, command, draw, fitted
from contragan.explore.verdict import newest_verdict

from .conftest import NAMES

CopyRun = Callable[..., Path]


@pytest.mark.parametrize(
    "asked",
    [
        Asked(tuple(range(10)), 2),
        Asked((0, 4, 6), 3, seed=5, truncation=0.35),
        Asked((1, 2), 4, rows=2, between="classes", truncation=1.5),
        Asked((3, 1), 2, rows=2, between="latents", seed=7),
    ],
)
def test_the_command_draws_the_same_picture(
    copy_run: CopyRun, asked: Asked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = contragan.load(copy_run(NAMES))
    shown = draw(model, asked)
    words = shlex.split(command(model, asked, "cpu"))
    assert words[0] == "contragan"
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(application.app, words[1:], catch_exceptions=False)
    assert done.exit_code == 0
    assert "in place of" not in done.output
    assert Image.open(asked.file_name).convert("RGB") == shown.picture
    assert len(shown.images) == len(shown.names) == asked.count


def test_what_is_too_much_is_reduced_and_said() -> None:
    asked = Asked(tuple(range(200)), 8)
    kept, line = fitted(asked)
    assert kept == replace(asked, classes=tuple(range(32)))
    assert kept.count == MOST_IMAGES
    assert line == ("The first 32 of 200 classes are shown: a picture holds at most 256 images.")
    assert fitted(kept) == (kept, None)
    with pytest.raises(UserError, match="at least one class"):
        fitted(Asked((), 8))


def test_bad_controls_are_one_line(trained_run: Path, tmp_path: Path) -> None:
    explorer = Explorer(contragan.load(trained_run), None, tmp_path, "cpu")
    path, words, remarks = explorer.show("Samples", [], 0, 1, 8, 1, 0, 0)
    assert (path, words) == (None, "")
    assert "Choose at least one class." in remarks
    assert "at least 0, not -1" in explorer.show("Samples", [1], 0, 1, 8, 1, 0, -1)[2]
    first = explorer.show("Samples", [1], 0, 1, 8, 1, 0, None)[0]  # an empty seed means 0
    again = explorer.show("Samples", [1], 0, 1, 8, 1, 0, 0)[0]
    assert first is not None
    assert again is not None
    assert first.read_bytes() == again.read_bytes()


def test_the_nearest_training_images_of_training_images_are_themselves(trained_run: Path) -> None:
    model = contragan.load(trained_run)
    real = load_dataset(model.run.recipe.data, "train", root=None)
    rows = [3, 700, 41]
    images = torch.from_numpy(real.images[rows].transpose(0, 3, 1, 2).copy())
    names = tuple(real.class_names[label] for label in real.labels[rows])
    far = 255 - images[:1]
    found = TrainingImages(model.run, None).nearest(torch.cat([far, images]), ("9", *names))
    assert found.distances[:3].tolist() == [0.0] * 3
    assert np.array_equal(found.generated[:3], found.training[:3])
    assert found.generated_names is not None
    assert found.generated_names[:3] == (found.training_names or ())[:3]
    assert found.distances[3] > 50


def test_data_that_is_not_there_is_one_line(trained_run: Path, tmp_path: Path) -> None:
    model = contragan.load(trained_run)
    data = contragan.load_recipe("cifar10/contragan").data
    model.run = replace(model.run, recipe=model.run.recipe.model_copy(update={"data": data}))
    explorer = Explorer(model, None, tmp_path, "cpu")
    path, remarks = explorer.neighbours(None, "Samples", [1], 0, 1, 2, 1, 0, 0)
    assert path is None
    assert "No training images to compare with: " in remarks
    assert remarks.count("<p") == 1


def test_the_verdict_of_the_newest_evaluation(copy_run: CopyRun) -> None:
    folder = copy_run()
    log = folder / "metrics.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    record = [line for line in lines if line["name"] == "evaluation"][-1]
    swapped = {"permuted": True, "permutation": {"<3>": "8", "8": "<3>"}, "merged": [], "lost": []}
    record["class_fidelity"] |= swapped | {"confused": False}
    with log.open("a") as file:
        file.write(json.dumps({**record, "step": 12_000}) + "\n" + '{"step": 3, "na')
    found = newest_verdict(folder)
    assert found.kind == "faulty"
    assert found.lines == (
        "At the newest evaluation (iteration 12,000): Permuted: <3> shows 8, 8 shows <3>.",
    )
    assert "&lt;3&gt; shows 8" in found.html()
    record["class_fidelity"] |= {"permuted": False, "permutation": {}}
    with log.open("a") as file:
        file.write("\n" + json.dumps(record) + "\n")
    assert newest_verdict(folder).kind == "fine"
    log.unlink()
    found = newest_verdict(folder)
    assert found.kind == "unknown"
    assert "never evaluated" in found.lines[0]


def test_an_unconditional_run_has_no_classes(trained_run: Path, tmp_path: Path) -> None:
    from contragan.recipes.gan import build_unseeded_generator

    model = contragan.load(trained_run)
    settings = model.run.recipe.generator.model_copy(update={"conditional": False})
    recipe = model.run.recipe.model_copy(update={"generator": settings})
    generator = build_unseeded_generator(recipe, 10).eval()
    run = replace(model.run, recipe=recipe)
    model = type(model)(run, model.checkpoint, generator, iteration=8, ema=False)
    explorer = Explorer(model, None, tmp_path, "cpu")
    first = explorer.first()
    assert first == Asked((0,), first.columns)
    assert 1 <= first.columns <= 8
    path, words, _ = explorer.show("Samples", [4, 5], 0, 1, 3, 1, 0, 0)
    assert path is not None
    assert "--classes 0 --num 3" in words
    assert model.row_names == ("",) * 10
    assert "trained without labels" in explorer.show("Mix two classes", [], 0, 1, 3, 1, 0, 0)[2]


def test_a_port_in_use_is_named_with_a_free_one(trained_run: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError) as refused:
            check_port(port)
        free = free_port(port)
        assert str(refused.value) == f"port {port} is in use: give --port {free}, which is free"
        check_port(free)


def _refusal(words: list[str]) -> str:
    with pytest.raises(UserError) as refused:
        CliRunner().invoke(application.app, ["explore", *words], catch_exceptions=False)
    return str(refused.value)


def test_what_cannot_be_explored_is_one_line(
    copy_run: CopyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    message = _refusal([str(tmp_path)])
    assert message == "contragan explore needs Gradio: pip install 'contragan[explore]'"

    class Installed:
        __spec__ = object()

    made: Any = Installed()
    monkeypatch.setitem(sys.modules, "gradio", made)
    port = ["--port", str(free_port(7860))]
    assert "holds no run" in _refusal([str(tmp_path), *port])
    assert "is not there" in _refusal([str(tmp_path / "nowhere"), *port])
    folder = copy_run()
    for checkpoint in (folder / "checkpoints").glob("step-*"):
        checkpoint.rename(tmp_path / checkpoint.name)
    assert "checkpoint" in _refusal([str(folder), *port])
    with pytest.raises(UserError, match="device"), serving(folder, device="cuda:7", port=8123):
        pass
