"""Broken runs: the page is written, and one line says what it lacks."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from contragan.report import report
from contragan.report.page import Report
from contragan.report.read import RunFacts, read_run

MakeRun = Callable[..., Path]


def _page(out: Path, *paths: Path) -> tuple[Report, str]:
    return report(paths, out), out.read_text(encoding="utf-8")


def test_a_whole_run_leaves_nothing_out(make_run: MakeRun, tmp_path: Path) -> None:
    written, page = _page(tmp_path / "page.html", make_run())
    assert (written.runs, written.left_out, written.finished) == (1, (), True)
    assert "Permuted" in page
    assert "finished (300 of 300 iterations)" in page


def test_folders_that_are_not_runs_are_named(make_run: MakeRun, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    written, page = _page(tmp_path / "page.html", make_run(), other, tmp_path / "nowhere")
    assert written.runs == 1
    assert len(written.left_out) == 2
    assert "other: not a run of contragan" in page
    assert "nowhere: there is no such folder" in page


def test_no_run_at_all_is_a_page(tmp_path: Path) -> None:
    written, page = _page(tmp_path / "page.html", tmp_path / "nowhere")
    assert written.runs == 0
    assert "No run is shown." in page


def test_a_run_never_evaluated(make_run: MakeRun, tmp_path: Path) -> None:
    written, page = _page(tmp_path / "page.html", make_run(evaluations=0, grids=0))
    assert any("never evaluated" in line for line in written.left_out)
    assert any("no grids" in line for line in written.left_out)
    assert "No evaluation by class was recorded." in page


def test_half_written_and_foreign_records_are_counted(make_run: MakeRun) -> None:
    folder = make_run()
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 310, "name": "odd", "value": NaN, "unit": "1"}\n')
        file.write('[1, 2]\n{"step": 320, "name": "evaluation", "values": 3}\n')
        file.write('{"step": 330, "name": "d/adver')
    run = read_run(folder, "run")
    assert isinstance(run, RunFacts)
    assert run.series["odd"].values == [None]
    assert set(run.left_out) == {
        "metrics.jsonl: 1 value of 'odd' that is not finite, left out.",
        "metrics.jsonl: 2 half-written or damaged lines, left out.",
        "metrics.jsonl: 1 evaluation that this version cannot read, left out.",
    }


def test_scores_of_version_0_1_get_the_names_of_today(make_run: MakeRun) -> None:
    folder = make_run()
    with (folder / "metrics.jsonl").open("a") as file:
        line = {"step": 300, "name": "evaluation/inception_score", "value": 2.5, "unit": "1"}
        file.write(json.dumps(line) + "\n")
    run = read_run(folder, "run")
    assert isinstance(run, RunFacts)
    assert run.series["evaluation/classifier_score"].values == [2.5]
    assert "evaluation/inception_score" not in run.series


def test_a_sample_cut_short_is_left_out(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run()
    sample = folder / "samples" / "step-0000100.png"
    sample.write_bytes(sample.read_bytes()[:60])
    written, _ = _page(tmp_path / "page.html", folder)
    assert written.left_out == ("run: samples/: 1 of 3 grids cannot be read, left out.",)


@pytest.mark.parametrize("name", ["recipe.yaml", "dataset.json", "environment.json"])
def test_damaged_files_are_said(make_run: MakeRun, tmp_path: Path, name: str) -> None:
    folder = make_run()
    (folder / name).write_text("{: broken")
    written, _ = _page(tmp_path / "page.html", folder)
    assert written.runs == 1
    assert any(name in line for line in written.left_out)


def test_a_recipe_of_another_version_is_shown_as_written(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run()
    with (folder / "recipe.yaml").open("a") as file:
        file.write("unheard_of: {setting: 3}\n")
    written, page = _page(tmp_path / "page.html", folder)
    assert any("as written" in line for line in written.left_out)
    assert "unheard_of.setting" in page


def test_layers_of_one_record_become_curves(make_run: MakeRun) -> None:
    folder = make_run()
    record = {"step": 5, "name": "stability/singular_values", "d": {"layer": 1.5}}
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    run = read_run(folder, "run")
    assert isinstance(run, RunFacts)
    assert run.series["stability/singular_values/d/layer"].values == [pytest.approx(1.5)]


def test_nothing_is_written_into_a_run(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    _page(tmp_path / "page.html", folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
