from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from contragan.core.errors import UserError
from contragan.evaluation.comparison import (
    ComparedRun,
    RunsCompared,
    compare,
    compare_runs,
    short_names,
)
from contragan.evaluation.comparison_view import sentences, tables
from contragan.evaluation.gathered import Evaluations
from contragan.evaluation.record import EvaluationRecord, metric_title, table_rows, to_table


def _record(**protocol: Any) -> EvaluationRecord:
    extractor = {"extractor": "inception", "resize": "tf-bilinear", "precision": "float32"}
    base = {
        "features": "inception",
        "batch_norm": "running",
        "batch_size": 64,
        "standing_batches": 16,
        "labels": "reference",
        "protocol": "full",
        "extractor": extractor,
        "data": {"name": "cifar10", "split": "train", "fingerprint": "f"},
    }
    return EvaluationRecord(
        values={"frechet_distance": 10.25, "class_accuracy": 0.5},
        class_fidelity=None,
        protocol=base | protocol,
        counts={"generated": 50_000, "reference": 50_000},
        seed=0,
        context={"iteration": 100, "ema": True},
        versions={"torch": "2"},
        warnings=(),
        wall_seconds=1.0,
    )


def _shown(compared: RunsCompared, width: int = 240) -> str:
    console = Console(record=True, width=width, file=io.StringIO())
    for table in tables(compared, width):
        console.print(table)
    for line in sentences(compared):
        console.print(line, highlight=False, markup=False)
    return console.export_text()


def _runs(runs: dict[str, dict[int, EvaluationRecord]]) -> RunsCompared:
    found = [ComparedRun(name, Evaluations(Path(name), records)) for name, records in runs.items()]
    return RunsCompared(tuple(found), compare({run.name: run.last for run in found}))


def _text(records: dict[str, EvaluationRecord]) -> str:
    return _shown(_runs({name: {100: record} for name, record in records.items()}))


def test_equal_protocols_are_comparable() -> None:
    first = _record()
    second = replace(
        first, values={"frechet_distance": 9.0}, seed=1, context={"iteration": 200, "ema": True}
    )
    found = compare({"a": first, "b": second})
    assert found.comparable
    assert found.scores == {"frechet_distance": [10.25, 9.0], "class_accuracy": [0.5, None]}
    text = _text({"a": first, "b": second})
    assert "10.25" in text
    assert "not comparable" not in text


@pytest.mark.parametrize(
    ("other", "path", "values"),
    [
        (_record(batch_norm="batch"), "batch_norm", ["running", "batch"]),
        (
            _record(data={"name": "cifar10", "split": "test", "fingerprint": "f"}),
            "data.split",
            ["train", "test"],
        ),
        (
            _record(extractor={"extractor": "pixels", "resize": None, "precision": "float32"}),
            "extractor.extractor",
            ["inception", "pixels"],
        ),
        (
            _record(
                extractor={
                    "extractor": "inception",
                    "resize": "tf-bilinear",
                    "precision": "bfloat16",
                }
            ),
            "extractor.precision",
            ["float32", "bfloat16"],
        ),
        (
            replace(_record(), counts={"generated": 10_000, "reference": 50_000}),
            "counts.generated",
            [50_000, 10_000],
        ),
        (replace(_record(), context={"ema": False}), "ema", [True, False]),
    ],
)
def test_differences_in_protocol_are_marked(
    other: EvaluationRecord, path: str, values: list[Any]
) -> None:
    found = compare({"a": _record(), "b": other})
    assert not found.comparable
    assert found.differences[path] == values
    text = _text({"a": _record(), "b": other})
    assert "not comparable" in text
    assert path in text


def test_only_the_published_features_are_called_fid() -> None:
    assert metric_title(_record(), "frechet_distance") == "FID"
    clean = {
        "extractor": "inception",
        "resize": "bicubic-antialias",
        "precision": "float32",
        "clamped": True,
    }
    title = metric_title(_record(extractor=clean), "frechet_distance")
    assert title == "FID (bicubic-antialias, float32)"
    light = {"extractor": "efficientnet-lite0", "resize": "bicubic-antialias"}
    title = metric_title(_record(extractor=light), "frechet_distance")
    assert title == "Fréchet distance (efficientnet-lite0)"
    unknown = _record(extractor={"extractor": "inception"})  # a record that does not say
    assert metric_title(unknown, "frechet_distance") == "FID (unknown resize, float32)"


def _scored(name: str, **values: float) -> EvaluationRecord:
    extractor = {
        "extractor": name,
        "dim": 2048,
        "resize": "tf-bilinear",
        "input_size": 299,
        "precision": "float32",
    }
    return replace(_record(extractor=extractor), values=values)


def test_scores_of_other_features_bear_no_published_name() -> None:
    scores = {
        "frechet_distance": 1.0,
        "kernel_distance_mean": 2.0,
        "kernel_distance_std": 3.0,
        "classifier_score_mean": 4.0,
        "intra_class_kernel_distance_mean": 5.0,
    }
    for other in ("efficientnet-lite0", "timm:inception_v3", "pixels"):
        text = " ".join(title for title, _ in table_rows(_scored(other, **scores)))
        for published in ("FID", "KID", "Inception"):
            assert published not in text
        assert f"Fréchet distance ({other})" in text
    theirs = _scored(
        "inception", frechet_distance=1, kernel_distance_mean=2, inception_score_mean=3
    )
    titles = [title for title, _ in table_rows(theirs)][:3]
    assert titles == ["FID", "KID mean", "Inception Score mean"]


def test_the_features_are_named_for_every_table() -> None:
    inception = "inception, 2,048 dimensions, tf-bilinear to 299 x 299, float32"
    first = _scored("inception", frechet_distance=1.0)
    assert dict(table_rows(first))["features"] == inception
    alike = [" ".join(line.split()) for line in _text({"a": first, "b": first}).splitlines()]
    assert f"features: {inception}" in alike
    assert any(line.startswith("│ FID │ 1 │ 1 │") for line in alike)
    mixed = _text({"a": first, "b": _scored("pixels", frechet_distance=2.0)})
    assert "FID" not in mixed  # of two records, of which only one is one
    assert "Fréchet distance" in mixed
    assert "features (extractor.extractor): inception in a; pixels in b" in mixed


def test_a_metric_that_one_record_lacks_is_no_difference() -> None:
    first = _record()
    more = replace(first, counts={**first.counts, "kernel_subset": 1000})
    assert compare({"a": first, "b": more}).comparable
    fewer = replace(first, counts={**first.counts, "kernel_subset": 500})
    found = compare({"a": first, "b": more, "c": fewer})
    assert found.differences == {"counts.kernel_subset": [None, 1000, 500]}


def test_old_records_are_read_by_todays_names() -> None:
    old = replace(
        _record(extractor={"extractor": "efficientnet-lite0", "resize": "bicubic-antialias"}),
        values={"inception_score_mean": 3.0, "frechet_distance": 1.0},
    )
    read = EvaluationRecord.from_dict(old.to_dict())
    assert read.values == {"classifier_score_mean": 3.0, "frechet_distance": 1.0}
    assert "bicubic-antialias unclamped" in dict(table_rows(read))["features"]
    new = _record(
        extractor={
            "extractor": "efficientnet-lite0",
            "resize": "bicubic-antialias",
            "clamped": True,
        },
        rounding=True,
    )
    assert compare({"old": read, "new": new}).differences == {"extractor.clamped": [None, True]}
    theirs = replace(_record(rounding=True), values={"inception_score_mean": 3.0})
    assert EvaluationRecord.from_dict(theirs.to_dict()) == theirs


def test_rows_state_batch_norm() -> None:
    rows = dict(table_rows(_record(batch_norm="standing")))
    assert rows["batch norm"] == "standing (16 batches of 64)"
    assert dict(table_rows(_record(batch_norm="batch")))["batch norm"] == "batch (64 images)"
    assert rows["reference"] == "cifar10 train, 50000 images"


def test_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="nothing"):
        compare({})


def test_records_of_version_0_1_0_are_read_and_compared() -> None:
    """Their class fidelity knows fewer findings; nothing that is new calls them incomparable."""
    old = _record().to_dict()
    old["class_fidelity"] = {
        "accuracy": 0.5,
        "class_accuracy": {"cat": 0.5, "dog": None},
        "real_accuracy": 0.9,
        "relabelled_accuracy": 0.5,
        "permuted": False,
        "confused": False,
        "permutation": {},
        "confusion": [[1, 1], [0, 0]],
    }
    del old["details"]
    read = EvaluationRecord.from_dict(old)
    new = replace(
        read,
        values=read.values | {"distinct_share": 1.0},
        details={"distinct_images": {"collapsed": False}},
    )
    assert compare({"old": read, "new": new}).comparable
    text = _text({"old": read, "new": new})
    assert "distinct share" in text
    console = Console(record=True, width=100)
    console.print(to_table(read))
    assert "cat 0.50" in console.export_text()


def _scores(**values: float) -> EvaluationRecord:
    return replace(_record(), values=values)


def test_best_and_last_stand_side_by_side_and_unlike_lengths_are_said() -> None:
    short = {5: _scores(frechet_distance=8.0), 10: _scores(frechet_distance=9.0)}
    text = _shown(_runs({"short": short, "long": {2000: _scores(frechet_distance=7.0)}}))
    lines = [" ".join(line.replace("│", " ").split()) for line in text.splitlines()]
    assert "iteration 5 10 2,000" in lines
    assert "evaluations 2 2 1" in lines
    assert "FID 8 9 7" in lines
    assert any(
        line.split() == ["┃", "┃", "best", "┃", "last", "┃", "best", "and", "last", "┃"]
        for line in lines
    )
    assert "unlike lengths: last evaluated at iteration 10 in short; 2,000 in long" in text


def test_a_run_without_a_distance_has_no_best() -> None:
    found = _runs({"a": {3: _scores(class_accuracy=0.5), 4: _scores(class_accuracy=0.25)}})
    assert found.runs[0].entries() == {"last": 4}
    assert [row["evaluation"] for row in found.rows()] == ["last"]


def test_many_runs_fit_80_columns_and_stay_apart() -> None:
    names = [f"runs/cifar10/contragan+batch_size={size}" for size in (16, 32, 64, 128)]
    values = {
        "frechet_distance": 10.0,
        "class_accuracy": 0.5,
        "relabelled_class_accuracy": 0.5,
        "intra_class_kernel_distance_mean": 0.1202,
        "precision": 0.1,
        "recall": 0.2,
    }
    text = _shown(_runs({name: {5: _scores(**values), 9: _scores(**values)} for name in names}), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for size in (16, 32, 64, 128):
        assert f"│ batch_size={size} " in text
    assert "0.1202" in text


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/a/0"], ["runs/a/0"]),
        (["runs/a/0", "runs/b/0"], ["a", "b"]),
        (["runs/a/0", "runs/a/1"], ["0", "1"]),
        (["runs/a", "runs/a/0"], ["a", "a/0"]),
        (["x/runs/a/0", "y/runs/b/0"], ["x/runs/a", "y/runs/b"]),
    ],
)
def test_short_names_tell_runs_apart(paths: list[str], names: list[str]) -> None:
    assert short_names([Path(path) for path in paths]) == names


def _log(run: Path, *records: tuple[int, EvaluationRecord]) -> None:
    lines = [json.dumps({"step": step, **record.to_dict()}) + "\n" for step, record in records]
    (run / "metrics.jsonl").write_text("".join(lines))


def test_a_later_evaluation_of_one_metric_hides_nothing(trained_run: Path, tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    for run in (a, b):
        shutil.copytree(trained_run, run)
    later = replace(_scores(precision=0.7), counts={**_record().counts, "neighbours": 3}, seed=5)
    batch = _record(batch_norm="batch")
    _log(a, (100, _record()), (200, _scores(frechet_distance=9.0)), (100, later), (100, batch))
    _log(b, (100, _record()))
    found = compare_runs([a, b])
    assert found.comparison.comparable  # both have the protocol of their first evaluation
    first, second = found.runs
    assert (first.evaluations.best, first.evaluations.last, first.evaluations.others) == (
        200,
        200,
        1,
    )
    gathered = first.evaluations.by_iteration[100]
    assert gathered.values == {"frechet_distance": 10.25, "class_accuracy": 0.5, "precision": 0.7}
    assert second.evaluations.others == 0
    assert "left out: 1 evaluation of a under other protocols" in sentences(found)
    # Alone, a run is shown under its latest protocol.
    assert compare_runs([a]).runs[0].last.protocol["batch_norm"] == "batch"
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [(row["run"], row["evaluation"], row["iteration"]) for row in rows] == [
        (str(a), "best", "200"),
        (str(a), "last", "200"),
        (str(b), "best", "100"),
        (str(b), "last", "100"),
    ]
    assert float(rows[2]["frechet_distance"]) == pytest.approx(10.25)
    assert rows[0]["class_accuracy"] == ""
    assert rows[0]["data.split"] == "train"
    assert json.loads(json.dumps(found.to_dict()))["comparable"] is True


def test_runs_that_cannot_be_compared(trained_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    with pytest.raises(UserError, match="was named twice"):
        compare_runs([run, run / "."])
    _log(run)
    with pytest.raises(UserError, match="was never evaluated: run `contragan evaluate"):
        compare_runs([run])
    (run / "metrics.jsonl").write_text('{"step": 7, "name": "evaluation", "values": {}}\n')
    with pytest.raises(UserError, match="the evaluation of iteration 7 is not whole"):
        compare_runs([run])
