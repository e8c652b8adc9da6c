"""Confusion and scores by class: numbers, marks, order, and names as they are."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contragan.analysis.classes import draw_classes, read_classes
from contragan.analysis.confusion import draw_confusion, read_confusion
from contragan.core.errors import UserError
from contragan.runs.log import read_metrics

from .conftest import Plot

NAMES = ["$x$", "_two", "猫", "<b>4</b>"]


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """A run whose evaluation of four classes with strange names was made up."""
    folder = tmp_path / "run"
    shutil.copytree(trained_run, folder)
    log = folder / "metrics.jsonl"
    record = next(r for r in read_metrics(log) if r["name"] == "evaluation")
    record["values"] = {"frechet_distance": 5.0}
    record["class_fidelity"] = {
        "conditional": True,
        "class_accuracy": dict(zip(NAMES, [0.0, 0.25, 0.75, 0.5], strict=True)),
        "real_class_accuracy": dict.fromkeys(NAMES, 0.9),
        "confusion": [[0, 4, 0, 0], [2, 1, 1, 0], [0, 0, 3, 1], [0, 0, 2, 2]],
        "permuted": True,
        "permutation": {"$x$": "_two"},
        "merged": [{"classes": ["猫", "<b>4</b>"], "shown": "猫"}],
        "lost": [],
        "confused": False,
    }
    distances = dict(zip(NAMES, [9.0, None, 3.0, 4.0], strict=True))
    record["details"] = {"intra_class_distance": {"per_class": distances}}
    log.write_text(json.dumps(record) + "\n")
    return folder


def test_cells_marks_and_names(run: Path) -> None:
    (found,) = read_confusion([run])
    assert found.counts.sum() == 16
    assert found.says == (
        "Permuted: $x$ shows _two.",
        "Merged: 猫 and <b>4</b> both show 猫.",
    )
    figure = draw_confusion([found])
    panel = figure.axes[0]
    (image,) = panel.images
    assert image.get_array() is not None
    np.testing.assert_allclose(np.asarray(image.get_array())[1], [50, 25, 25, 0])
    places = [
        (patch.get_extents().transformed(panel.transData.inverted()), patch.get_linestyle())
        for patch in panel.patches
    ]
    outlined = {
        (round((box.y0 + box.y1) / 2), round((box.x0 + box.x1) / 2)): line for box, line in places
    }
    assert outlined == {(0, 1): "solid", (2, 2): "dashed", (3, 2): "dashed"}
    labels = panel.get_yticklabels()
    assert [label.get_text() for label in labels][:2] == ["$x$", "_two"]
    assert not labels[0].get_parse_math()
    figure.canvas.draw()


def test_numbers_say_what_was_asked_for_and_what_is_seen(run: Path) -> None:
    (found,) = read_confusion([run])
    rows = list(found.rows())
    assert rows[1] == (found.title, found.iteration, "$x$", "_two", 4)
    assert rows[4] == (found.title, found.iteration, "_two", "$x$", 2)
    (scores,) = read_classes([run])
    assert list(scores.rows())[-2:] == [
        (scores.title, scores.iteration, "猫", "on real images", 0.9),
        (scores.title, scores.iteration, "猫", "intra-class distance", 3.0),
    ]


def _with_details(run: Path, details: dict[str, Any], **changes: object) -> None:
    log = run / "metrics.jsonl"
    log.write_text(json.dumps({**read_metrics(log)[0], "details": details, **changes}) + "\n")


def test_counts_of_images_have_no_panel(run: Path) -> None:
    shares = {"precision": 0.5, "recall": 0.25, "real_recall": 0.75}
    counts = {"images": 8, "alike": 2, "real_alike": 0}
    details = {"precision_recall": {"per_class": dict.fromkeys(NAMES, shares | counts)}}
    _with_details(run, details)
    panels = draw_classes(read_classes([run])).axes
    titles = [panel.get_xlabel().partition("\n")[0] for panel in panels]
    assert titles == ["accuracy", "precision", "recall"]
    distinct = {"images": 8, "distinct": 3, "real": 8}
    counted = {"distinct_images": {"per_class": dict.fromkeys(NAMES, distinct)}}
    _with_details(run, counted, class_fidelity=None)
    with pytest.raises(UserError, match="have no scores by class: run `contragan evaluate"):
        read_classes([run])


def test_the_best_or_the_last_evaluation_is_shown(run: Path) -> None:
    log = run / "metrics.jsonl"
    record: dict[str, Any] = read_metrics(log)[0]
    worse = record | {"step": record["step"] + 4, "values": {"frechet_distance": 6.0}}
    log.write_text("".join(json.dumps(one) + "\n" for one in (record, worse)))
    steps = [read_confusion([run], which=which)[0].iteration for which in ("best", "last")]
    assert steps == [record["step"], worse["step"]]


def test_classes_are_sorted_worst_first(run: Path) -> None:
    (found,) = read_classes([run])
    assert found.worst_first == ["$x$", "_two", "<b>4</b>", "猫"]
    assert "worst class $x$ (accuracy 0, intra-class distance 9)" in found.summary()
    panels = draw_classes([found]).axes
    assert [panel.get_xlabel().partition("\n")[0] for panel in panels] == [
        "accuracy",
        "intra-class distance",
    ]
    dots, bars = panels[0].lines
    assert np.asarray(dots.get_xdata()).tolist() == [0.0, 0.25, 0.5, 0.75]
    assert np.asarray(bars.get_xdata()).tolist() == [0.9] * 4
    assert len(np.asarray(panels[1].lines[0].get_xdata())) == 3  # one distance is unknown


def test_the_commands_write_figures_and_numbers(
    plot: Plot, run: Path, trained_run: Path, tmp_path: Path
) -> None:
    for kind, count in (("confusion", 16), ("classes", 4 + 4 + 3)):
        numbers = tmp_path / f"{kind}.csv"
        words = [kind, run, "--out", tmp_path / f"{kind}.svg", "--csv", numbers]
        assert plot(*words)[0] == 0
        assert len(list(csv.DictReader(numbers.read_text().splitlines()))) == count
        assert plot(kind, run, trained_run, "--out", tmp_path / "both.png")[0] == 0


def test_bad_input_gets_one_line(
    refused: Callable[..., str],
    run: Path,
    projection_run: Path,
    unlabelled_run: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "new.png"
    for kind in ("confusion", "classes"):
        assert "was never evaluated" in refused(kind, projection_run, "--out", out)
        assert "was trained without labels" in refused(kind, unlabelled_run, "--out", out)
        assert "holds no run" in refused(kind, tmp_path, "--out", out)
        assert "is written as .png, .svg, .pdf" in refused(kind, run, "--out", "a.gif")
    assert "No such command 'pie'" in refused("pie", run, "--out", out)
    assert not out.exists()


def test_another_evaluation_is_taken_where_the_best_has_no_matrix(run: Path) -> None:
    log = run / "metrics.jsonl"
    record: dict[str, Any] = read_metrics(log)[0]
    better = record | {"step": 8, "values": {"frechet_distance": 1.0}, "class_fidelity": None}
    log.write_text("".join(json.dumps(one) + "\n" for one in (record, better)))
    assert read_confusion([run])[0].iteration == record["step"]
    log.write_text(json.dumps(better) + "\n")
    with pytest.raises(UserError, match="have no class_fidelity: run `contragan evaluate"):
        read_confusion([run])
