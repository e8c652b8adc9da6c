"""What a page holds, how large it is, and how it follows a training."""

import doctest
import html
import importlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from generated_runs import SCORES, fill_all, record_study
from PIL import Image

from contragan.report import Report, report, watch
from contragan.report.classes import class_table, confusion
from contragan.report.curves import charts
from contragan.report.differences import compare
from contragan.report.page import _scores
from contragan.report.read import RunFacts, Series, read_run
from contragan.studies import words
from contragan.studies.claims import judge
from contragan.studies.render import grids
from contragan.studies.results import read_results

MakeRun = Callable[..., Path]


def _facts(folder: Path, label: str = "run") -> RunFacts:
    found = read_run(folder, label)
    assert isinstance(found, RunFacts)
    return found


def test_noisy_grids_stay_within_six_megabytes(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(grids=0)
    random = np.random.default_rng(0)
    for step in range(12):
        noise = random.integers(0, 256, (400, 600, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "samples" / f"step-{step:07d}.png")
    written = report([folder], tmp_path / "page.html")
    assert 2e6 < written.path.stat().st_size <= 6e6
    assert any("WebP" in line for line in written.left_out)


def test_a_long_run_and_many_runs_take_seconds(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(evaluations=100, grids=50, size=(400, 300))
    some = [make_run(f"run-{number}", evaluations=20, grids=10) for number in range(15)]
    for asked, seconds in (([folder], 5), (some, 20)):
        start = time.process_time()  # the machine may do other work
        written = report(asked, tmp_path / "page.html")
        assert time.process_time() - start < seconds
        assert written.runs == len(asked)
        assert written.left_out == ()
        assert written.path.stat().st_size < 6e6


def test_runs_are_compared_by_setting(make_run: MakeRun) -> None:
    runs = [
        _facts(make_run(name, settings=(f"conditioning.temperature={value}",)), name)
        for name, value in (("a", 0.3), ("b", 0.3), ("c", 0.5))
    ]
    (setting,) = compare(runs).differing
    assert setting.name == "conditioning.temperature"
    assert setting.values == ("0.3", "0.5")
    assert setting.marked == (False, True)
    assert compare(runs).columns == ("a and b", "c")
    assert compare(runs[:2]).columns == ("both runs",)


def test_one_run_stands_beside_its_packaged_recipe(make_run: MakeRun) -> None:
    differing = {setting.name for setting in compare([_facts(make_run())]).differing}
    assert differing == {"training.total_iterations"}


def test_scores_of_other_features_have_other_charts(make_run: MakeRun) -> None:
    first, second = _facts(make_run("a"), "a"), _facts(make_run("b"), "b")
    assert len(charts([first, second])) == 3
    for _, record in second.evaluations:
        record.protocol["extractor"]["extractor"] = "efficientnet-lite0"
    titles = [chart.title for chart in charts([first, second])]
    assert titles[:2] == ["Fréchet distance (pixels)", "Fréchet distance (efficientnet-lite0)"]


def test_the_best_of_a_score_is_in_its_metric_s_direction(make_run: MakeRun) -> None:
    run = _facts(make_run(evaluations=2))
    for copied, (_, record) in zip((0.25, 0.5), run.evaluations, strict=True):
        accuracy = {"class_accuracy": copied, "real_class_accuracy": 0.9}
        record.values.update(copied_share=copied, **accuracy)
    (first, _), (last, _) = run.evaluations
    best = {title: shown for title, shown, _ in _scores(run)}
    assert best["copied share"] == f"0.25 at {first:,}"
    assert best["class accuracy"] == f"0.5 at {last:,}"
    assert best["real class accuracy"] == ""


def test_scores_of_another_protocol_are_not_its_best(make_run: MakeRun) -> None:
    run = _facts(make_run())
    first, second, last = (record for _, record in run.evaluations)
    first.values["frechet_distance"] = 0.1
    first.protocol["labels"] = "uniform"
    assert second.values["frechet_distance"] > last.values["frechet_distance"]
    shown = {title: best for title, best, _ in _scores(run)}
    assert shown["Fréchet distance (pixels)"] == "3.333 at 300"


def test_a_confusion_frame_has_one_row_per_class_asked_for(make_run: MakeRun) -> None:
    found = confusion(_facts(make_run()))
    assert found is not None
    assert found.names == ["zero", "one", "two", "three"]
    assert [frame["step"] for frame in found.frames] == [100, 200, 300]
    assert [frame["rows"][0] for frame in found.frames] == [[1, 20, 1, n] for n in (1, 2, 3)]
    last = found.frames[-1]
    assert last["rows"][2:] == [[20, 1, 1, 3], [1, 1, 1, 60]]
    assert last["totals"] == [25, 25, 25, 63]
    assert last["marks"] == [[0, 1, "permuted"], [1, 2, "permuted"], [2, 0, "permuted"]]
    assert last["text"] == ["Permuted: zero shows one, one shows two, two shows zero."]


def test_of_many_classes_the_worst_have_a_matrix(make_run: MakeRun) -> None:
    names = [f"class {index}" for index in range(45)]
    run = _facts(make_run(names=names, evaluations=1))
    fidelity = run.evaluations[0][1].class_fidelity
    assert fidelity is not None
    fidelity["class_accuracy"] = {name: 1 - index / 100 for index, name in enumerate(names)}
    found = confusion(run)
    assert found is not None
    assert found.names == names[5:]
    (frame,) = found.frames
    assert frame["rows"][0][:2] == [20, 1]  # class 5 asked for: seen as itself, and as class 6
    assert frame["totals"][0] == 64
    assert frame["marks"] == []
    assert run.left_out == [
        "The confusion matrix shows the 40 classes of 45 with the lowest accuracy at the end."
    ]


def test_the_table_of_classes_is_that_of_the_last_evaluation_by_class(make_run: MakeRun) -> None:
    run = _facts(make_run())
    *_, before, last = (record for _, record in run.evaluations)
    before.details["intra_class_distance"]["per_class"]["one"] = 4.0
    object.__setattr__(last, "class_fidelity", None)
    last.details.clear()
    table = class_table(run, 3)
    assert table is not None
    assert (table.step, table.sorted_by, table.rising) == (200, "accuracy", True)
    assert table.columns == ["accuracy", "intra-class distance"]
    assert table.rows[:2] == [("zero", [0.01, 3.0]), ("one", [0.02, 4.0])]
    assert run.left_out == ["The table of classes shows the 3 worst of 4."]
    # Where precision and recall alone were measured, the lowest precision is the worst.
    shares = {"zero": 0.5, "one": 0.25, "two": None, "three": 0.75}
    by_class = {name: {"precision": p, "recall": 1.0, "images": 9} for name, p in shares.items()}
    last.details["precision_recall"] = {"per_class": by_class}
    table = class_table(run, 9)
    assert table is not None
    assert (table.sorted_by, table.rising) == ("precision", True)
    assert [name for name, _ in table.rows] == ["one", "zero", "three", "two"]


def test_what_runs_share_is_said_once(make_run: MakeRun, tmp_path: Path) -> None:
    folders = [make_run(name) for name in ("a", "b", "c", "d")]
    for folder in folders[1:]:
        shutil.rmtree(folder / "samples")
    (folders[3] / "environment.json").write_text('{"device": "cuda"}')
    written = report(folders, tmp_path / "page.html")
    assert written.left_out == (
        "3 of 4 runs: samples/ holds no grids: no pictures are shown. (b, c and d)",
    )
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<caption>Protocol</caption>") == 1
    assert "<bdi>all 4 runs</bdi>: 3 evaluations, iterations 100 to 300" in page
    environment = page[page.index('id="environment"') :]
    heads = [f'<th scope="col"><bdi>{who}</bdi></th>' for who in ("a, b and c", "d")]
    assert "".join(heads) in environment
    shown = [f'data-value="{value}">{value:.4g}' for value in (1000 / 300, 0.7)]
    overview = page[page.index("All runs, with") : page.index('class="cards"')]
    assert [overview.count(text) for text in shown] == [4, 4]


def test_a_long_curve_keeps_its_spike(make_run: MakeRun) -> None:
    run = _facts(make_run(evaluations=0))
    values: list[float | None] = [1.0] * 100_000
    values[54_321], values[12_345] = 9.0, -9.0
    run.series = {"d/adversarial": Series("1", list(range(100_000)), values)}
    (line,) = charts([run])[0].lines
    assert len(line["x"]) <= 602
    assert line["y"][line["x"].index(54_321)] == pytest.approx(9.0)
    assert line["y"][line["x"].index(12_345)] == pytest.approx(-9.0)


def test_watching_ends_when_the_run_has_finished(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run()
    records = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text(records.split("\n")[0] + "\n")
    told: list[Report] = []

    def go_on(seconds: float) -> None:
        assert len(told) == 1
        (folder / "metrics.jsonl").write_text(records)

    watch([folder], tmp_path / "page.html", told.append, sleep=go_on)
    assert [written.finished for written in told] == [False, True]
    assert "reload to see more" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_study_is_its_runs_wherever_they_lie(make_run: MakeRun, tmp_path: Path) -> None:
    study = tmp_path / "study"
    record = record_study(study, "class-confusion")
    first, *others = record.distinct()
    make_run(f"runs/{first.name}")
    written = report([study], tmp_path / "page.html")
    assert written.runs == 1
    gone = [f"{run.column}, seed {run.seed}" for run in others]
    assert {run.row for run in record.runs} == {"CIFAR10"}  # which need not be said
    assert written.left_out == (
        f"{len(gone)} of {len(gone) + 1} runs: there is no such folder. "
        f"({', '.join(gone[:3])} and {len(gone) - 3} more)",
    )
    assert not written.finished  # although the one run is


def test_a_studys_table_stands_on_top(tmp_path: Path) -> None:
    study = tmp_path / "study"
    record = record_study(study, "class-confusion", seeds=2)
    rising = {run.name: 20.0 + number for number, run in enumerate(record.distinct())}
    fill_all(study, record, lambda run: {**SCORES, "frechet_distance": rising[run.name]})
    lost = record.distinct()[-1]
    shutil.rmtree(tmp_path / "runs" / lost.name)
    written = report([study], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not written.finished
    results = read_results(record, study)
    top = html.unescape(page[page.index('id="study"') : page.index('id="what"')])
    for grid in grids(results):
        for row in grid.rows:
            assert all(f">{text}<" in top for text in row)
    cell = next(cell for cell in results.cells if lost in [run.run for run in cell.runs])
    assert f"<mark>{words.of_cell(cell, results.main_score, 'best')}</mark>" in top
    assert "(1 of 2)" in words.of_cell(cell, results.main_score, "best")
    for judged in judge(results):
        assert words.of_claim(judged).partition(": ")[2] in top
    assert judge(results)


def test_a_damaged_study_is_said(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("study/a")
    (tmp_path / "study" / "study.yaml").write_text("pool: [")
    written = report([tmp_path / "study"], tmp_path / "page.html")
    assert written.runs == 1
    assert len(written.left_out) == 1
    assert written.left_out[0].startswith("The study's table is not shown: ")


@pytest.mark.parametrize("name", ["classes", "curves", "differences", "together"])
def test_examples_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"contragan.report.{name}"))
    assert (found.attempted > 0, found.failed) == (True, 0)
