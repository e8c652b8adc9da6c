"""Grids, curves and comparisons: which image stands where, which line is whose."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

import contragan
from contragan.analysis.compare import draw_comparison, read_comparison
from contragan.analysis.curves import RunCurves, draw_curves, panel_titles, read_curves
from contragan.analysis.grid import draw_grids, read_grids
from contragan.analysis.montage import montage, title_lines
from contragan.core.errors import UserError

from .conftest import Plot

QUIET = Console(quiet=True)


def test_a_row_is_a_class_and_a_column_a_latent(trained_run: Path) -> None:
    (grid,) = read_grids([trained_run], QUIET, classes=["8", "3"], columns=4, seed=7)
    assert grid.row_names == ("8", "3")
    assert grid.images.shape == (2, 4, 1, 16, 16)
    model = contragan.load(trained_run)
    expected = model.generate(model.latents(4, seed=7), torch.full((4,), 3))
    np.testing.assert_array_equal(grid.images[1], expected.numpy())
    page = montage(grid.images)
    assert page.shape == (2 * 170, 4 * 170, 3)  # images enlarged tenfold, gaps of ten pixels
    assert page[5 + 170, 5 + 170, 0] == grid.images[1, 1, 0, 0, 0]
    assert (page[:5] == 255).all()
    panel = draw_grids([grid]).axes[0]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["8", "3"]
    assert panel.get_title(loc="left") == "digits/contragan,\nseed 0\niteration 8"


def test_a_rectangle_lies_in_the_middle_of_its_cell() -> None:
    page = montage(np.zeros((1, 2, 1, 16, 8), np.uint8))
    assert page.shape == (170, 2 * 170, 3)
    dark = page[..., 0] == 0
    np.testing.assert_array_equal(np.flatnonzero(dark.any(1)), np.arange(5, 165))
    expected = np.concatenate([np.arange(45, 125), np.arange(215, 295)])
    np.testing.assert_array_equal(np.flatnonzero(dark.any(0)), expected)


def test_without_labels_rows_have_no_names(unlabelled_run: Path) -> None:
    (grid,) = read_grids([unlabelled_run], QUIET, columns=3)
    assert grid.row_names == ("",) * 5
    assert len(np.unique(grid.images.reshape(15, -1), axis=0)) == 15  # each has its own latent
    assert not draw_grids([grid]).axes[0].get_yticklabels()


def test_titles_are_folded() -> None:
    assert title_lines("digits/contragan, seed 0, iteration 8", 1.0) == (
        "digits/\ncontragan, seed\n0\niteration 8"
    )


@pytest.fixture
def logged(trained_run: Path, tmp_path: Path) -> Path:
    """A run whose log was made up: two scores and a loss term, one value not finite."""
    folder = tmp_path / "logged"
    shutil.copytree(trained_run, folder)
    lines = [
        {"step": 1, "name": "d/adversarial", "value": 2.0},
        {"step": 2, "name": "d/adversarial", "value": float("nan")},
        {"step": 3, "name": "d/adversarial", "value": 1.0},
        {"step": 2, "name": "evaluation/frechet_distance", "value": 500.0},
        {"step": 4, "name": "evaluation/frechet_distance", "value": 5.0},
        {"step": 4, "name": "stability/saturated", "value": 1.0},
        {"step": 4, "name": "iterations_per_second", "value": 9.0},
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_curves_have_a_panel_each_and_a_colour_for_each_run(
    logged: Path, projection_run: Path
) -> None:
    runs = read_curves([logged, projection_run])
    assert panel_titles(runs) == ["Fréchet distance", "D: adversarial", "G: adversarial"]
    assert runs[0].curves["evaluation/frechet_distance"] == ([2, 4], [500.0, 5.0])
    assert runs[0].summary().endswith("1 score and 1 loss term to iteration 4")
    assert "not evaluated in training" in runs[1].summary()
    panels = draw_curves(runs).axes
    assert all(tick == int(tick) for panel in panels[:3] for tick in panel.get_xticks())
    assert panels[0].get_yscale() == "log"
    assert [len(panel.lines) for panel in panels[:3]] == [1, 2, 1]
    assert panels[1].lines[0].get_color() == panels[0].lines[0].get_color()
    assert panels[1].lines[1].get_color() == panels[2].lines[0].get_color()


def test_places_without_a_quantity_stay_empty() -> None:
    names = [f"d/term_{index}" for index in range(5)]
    run = RunCurves("run", {n: ([1, 2], [0.5, 0.6]) for n in names}, {n: n for n in names})
    panels = draw_curves([run]).axes
    assert [panel.axison for panel in panels] == [True] * 5 + [False] * 3
    assert [panel.get_title() for panel in panels[:5]] == names


def test_curves_from_the_command(plot: Plot, logged: Path, tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.csv"
    words = ["curves", logged, "--only", "frechet", "--csv", numbers]
    assert plot(*words, "--out", tmp_path / "curves.pdf")[0] == 0
    assert [row["value"] for row in csv.DictReader(numbers.read_text().splitlines())] == [
        "500.0",
        "5.0",
    ]


def _later(step: int, features: str, distance: float) -> str:
    record = {
        "step": step,
        "name": "evaluation",
        "values": {"frechet_distance": distance},
        "class_fidelity": None,
        "protocol": {"extractor": {"extractor": features, "dim": 8, "resize": "none"}},
        "counts": {},
        "seed": 0,
        "context": {},
        "versions": {},
        "warnings": [],
        "wall_seconds": 1.0,
    }
    return json.dumps(record) + "\n"


def test_what_evaluate_recorded_later_is_marked_apart(
    plot: Plot, trained_run: Path, logged: Path, tmp_path: Path
) -> None:
    lines = (logged / "metrics.jsonl").read_text().splitlines(keepends=True)
    lines.insert(5, _later(4, "pixels", 5.0))  # training's own record, behind its score
    lines += [
        _later(4, "pixels", 3.0),
        _later(4, "efficientnet-lite0", 7.0),
        _later(2, "pixels", 400.0),
    ]
    (logged / "metrics.jsonl").write_text("".join(lines))
    (run,) = read_curves([logged])
    same, other = "Fréchet distance (pixels)", "Fréchet distance (efficientnet-lite0)"
    assert [(one.title, one.iteration, one.value) for one in run.later] == [
        (same, 4, 3.0),
        (other, 4, 7.0),
        (same, 2, 400.0),
    ]
    assert run.curves["evaluation/frechet_distance"] == ([2, 4], [500.0, 5.0])
    assert run.summary().endswith("3 scores of contragan evaluate, with protocols of their own")
    figure = draw_curves([run])
    panels = {panel.get_title(): panel for panel in figure.axes}
    assert list(panels)[:2] == [same, other]
    shown = [
        (line.get_marker(), np.asarray(line.get_ydata()).tolist()) for line in panels[same].lines
    ]
    assert shown == [("o", [500.0, 5.0]), ("D", [3.0, 400.0])]
    assert [np.asarray(line.get_ydata()).tolist() for line in panels[other].lines] == [[7.0]]
    (legend,) = figure.legends
    assert legend.get_texts()[-1].get_text().startswith("contragan evaluate")

    (logged / "metrics.jsonl").write_text(lines[-2])  # nothing but a later one
    numbers = tmp_path / "numbers.csv"
    words = ["curves", logged, "--csv", numbers, "--out", tmp_path / "curves.png"]
    assert plot(*words)[0] == 0
    (row,) = csv.DictReader(numbers.read_text().splitlines())
    assert (row["title"], row["value"], row["recorded_by"]) == (other, "7.0", "contragan evaluate")
    pair = read_comparison([trained_run, logged], QUIET, columns=2)
    assert [len(curves.later) for curves in pair.curves] == [0, 1]
    assert other in [panel.get_title() for panel in draw_comparison(pair).axes]


def test_a_comparison_has_the_same_classes_and_latents(
    trained_run: Path, unlabelled_run: Path, projection_run: Path, tmp_path: Path
) -> None:
    turned = tmp_path / "turned"
    shutil.copytree(trained_run, turned)
    names = [str(digit) for digit in range(10)][::-1]
    for file in [turned / "dataset.json", *turned.glob("checkpoints/step-*/manifest.json")]:
        facts = json.loads(file.read_text())
        file.write_text(json.dumps({**facts, "class_names": names}))
    found = read_comparison([trained_run, turned], QUIET, columns=2)
    assert found.grids[1].row_names == found.grids[0].row_names
    np.testing.assert_array_equal(found.grids[0].images, found.grids[1].images[::-1])
    panels = draw_comparison(found).axes
    assert len(panels) == 2 + 2  # grids, and two scores
    mixed = read_comparison([unlabelled_run, projection_run], QUIET, columns=2)
    assert [grid.row_names[:1] for grid in mixed.grids] == [("",), ("0",)]
    with pytest.raises(UserError, match="needs two runs or more"):
        read_comparison([trained_run], QUIET)


def test_bad_input_gets_one_line(
    refused: Callable[..., str], trained_run: Path, logged: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new.png"
    assert "needs two runs or more" in refused("compare", trained_run, "--out", out)
    assert "named twice" in refused("compare", trained_run, trained_run, "--out", out)
    assert "no quantity like fid" in refused("curves", logged, "--only", "fid", "--out", out)
    (logged / "metrics.jsonl").unlink()
    assert "has recorded nothing yet" in refused("curves", logged, "--out", out)
    shutil.rmtree(logged / "checkpoints")
    assert "no usable checkpoint" in refused("grid", logged, "--out", out)
    assert "holds no run" in refused("grid", tmp_path, "--out", out)
    checkpoint = next(trained_run.glob("checkpoints/step-*"))
    words = ["grid", checkpoint, "--which", "last", "--out", out]
    assert "--which means nothing where a checkpoint is named" in refused(*words)
    assert not out.exists()
