"""Paths between classes and between latents: their ends are samples, and the command draws them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import contragan
from contragan.cli import application
from contragan.core.errors import UserError
from contragan.core.pictures import labelled_grid
from contragan.runs.between import latent_path, paths_between


def _sample(run: Path, out: Path, *words: str) -> str:
    asked = ["sample", str(run), "--out", str(out), "--device", "cpu", *words]
    shown = CliRunner().invoke(application.app, asked, catch_exceptions=False)
    assert shown.exit_code == 0
    return shown.output


def test_a_path_between_classes_begins_in_one_and_ends_in_the_other(trained_run: Path) -> None:
    model = contragan.load(trained_run)
    drawn = paths_between(model, "classes", [3, 8], rows=2, steps=3).draw(scale=1)
    assert [text.text for text in drawn.texts] == ["3 \N{RIGHTWARDS ARROW} 8"]
    latents = model.latents(2)
    half = torch.zeros(2, 10)
    half[:, [3, 8]] = 0.5
    columns = [
        model.generate(latents, 3),
        model.generate(latents, half),
        model.generate(latents, 8),
    ]
    images = torch.stack(columns, 1).flatten(0, 1)
    named = ("3 \N{RIGHTWARDS ARROW} 8",)
    expected = labelled_grid(images, torch.zeros(6).long(), named, columns=3, scale=1)
    assert drawn.image() == expected


def test_paths_between_latents_are_the_same_in_every_class(trained_run: Path) -> None:
    model = contragan.load(trained_run)
    drawn = paths_between(model, "latents", [8, 3], rows=2, steps=2, seed=4, truncation=0.7).draw()
    ends = model.latents(4, seed=4, truncation=0.7)
    images = torch.cat([model.generate(ends, 8), model.generate(ends, 3)])
    labels = torch.tensor([8] * 4 + [3] * 4)
    assert drawn.image() == labelled_grid(images, labels, model.class_names, columns=2)


def test_every_point_of_a_path_is_distributed_as_a_latent() -> None:
    ends = torch.randn(2, 20_000, generator=torch.Generator().manual_seed(0))
    found = latent_path(ends[0], ends[1], torch.linspace(0, 1, 5))
    assert torch.equal(found[[0, -1]], ends)
    assert found.std(1).tolist() == pytest.approx([1.0] * 5, abs=0.02)


def test_the_command_fills_whole_paths(trained_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "paths.png"
    said = _sample(
        trained_run, out, "--between", "classes", "--classes", "3,8", "--num", "9", "--columns", "5"
    )
    assert "10 images in place of 9, so that the grid has whole paths" in said
    model = contragan.load(trained_run)
    expected = paths_between(model, "classes", [3, 8], rows=2, steps=5).draw().image()
    assert Image.open(out).convert("RGB") == expected
    said = _sample(trained_run, out, "--between", "latents")
    assert "80 images of iteration" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--between", "classes", "--classes", "3"], "needs two classes, not 1"),
        (["--between", "latents", "--out", "folder"], "--between is for a grid"),
        (["--between", "latents", "--num", "0"], "at least 1, not 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(trained_run: Path, words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        CliRunner().invoke(
            application.app, ["sample", str(trained_run), *words], catch_exceptions=False
        )
