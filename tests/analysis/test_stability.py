"""The figure of stability: its numbers, its marks, and what is said where they are missing."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import exit_code

from contragan.analysis.stability import draw_stability, read_stability
from contragan.core.errors import UserError

SIGNALS = {
    100: {"authenticity_train": 0.7, "authenticity_held_out": 0.6, "authenticity_generated": 0.8},
    200: {"authenticity_train": 0.9, "authenticity_held_out": 0.3, "authenticity_generated": 0.9},
    300: {"authenticity_train": 1.0, "authenticity_held_out": 0.1, "authenticity_generated": 1.0},
}
DISTANCES = {100: 20.0, 200: 10.0, 300: 16.0, 400: 18.0}


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """A run's folder with a log that was made up."""
    folder = tmp_path / "run"
    shutil.copytree(trained_run, folder)
    records: list[dict[str, Any]] = []
    for step, signals in SIGNALS.items():
        records += [
            {"step": step, "name": f"stability/{name}", "value": value, "unit": "1"}
            for name, value in signals.items()
        ]
        layers = {"d": {"trunk.conv": step / 100, "head.adversarial": 1.0}, "g": {"linear": 2.0}}
        records.append({"step": step, "name": "stability/singular_values", **layers})
    for step, value in DISTANCES.items():
        name = "evaluation/frechet_distance"
        records.append({"step": step, "name": name, "value": value, "unit": "distance"})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


def test_the_points_of_figure_3_are_found(run: Path) -> None:
    (curves,) = read_stability([run])
    assert (curves.overfitted, curves.best) == (200, 200)
    assert curves.collapse is not None
    assert curves.collapse.iteration == 300
    assert curves.curve("authenticity_held_out") == ([100, 200, 300], [0.6, 0.3, 0.1])
    assert curves.summary().startswith(
        "digits/contragan, seed 0: D overfitted at 200; best at 200 (distance 10); "
        "collapsed at 300: the distance is 18, and 10 at its best (iteration 200)"
    )


def test_each_run_has_a_row_of_three_panels_with_its_marks(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    curves = read_stability([run, other])
    assert [str(run) in curves[0].title, str(other) in curves[1].title] == [True, True]
    panels = draw_stability(curves).axes
    assert len(panels) == 6
    marks = [
        (line.get_linestyle(), np.asarray(line.get_xdata()).tolist()[0])
        for line in panels[0].lines
        if line.get_color() == "black"
    ]
    assert marks == [("-", 200), (":", 200), ("--", 300)]
    layers = [line for line in panels[2].lines if line.get_color() != "black"]
    assert [line.get_label() for line in layers] == ["conv", "head.adversarial"]
    assert np.asarray(layers[0].get_ydata()).tolist() == [1.0, 2.0, 3.0]


def test_the_command_writes_figure_and_numbers(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heads = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    numbers = tmp_path / "numbers.csv"
    for suffix, head in heads.items():
        out = tmp_path / f"figure{suffix}"
        assert exit_code("plot", "stability", run, "--out", out, "--csv", numbers) == 0
        assert out.read_bytes().startswith(head)
    rows = list(csv.DictReader(numbers.read_text().splitlines()))
    found = {(row["signal"], int(row["iteration"])): float(row["value"]) for row in rows}
    assert found["authenticity_train", 200] == pytest.approx(0.9)
    assert found["singular_value/d/trunk.conv", 300] == pytest.approx(3.0)
    assert found["frechet_distance", 400] == pytest.approx(18.0)
    assert found["point/collapse", 300] == pytest.approx(1.0)
    assert len(found) == len(rows) == 9 + 9 + 4 + 3
    assert "collapsed at 300" in capsys.readouterr().out


def test_what_is_missing_is_said(run: Path, trained_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no signals .*--set training\.stability_every_iter"):
        read_stability([run, trained_run])
    with pytest.raises(UserError, match="is not there"):
        read_stability([tmp_path / "nowhere"])


def test_another_format_is_refused_before_anything_is_read(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("plot", "stability", run, "--out", "figure.jpg") == 2
    assert "--out figure.jpg: a figure is written as .png, .svg, .pdf" in capsys.readouterr().err
