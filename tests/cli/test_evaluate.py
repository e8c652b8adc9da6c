"""Evaluations from the command line: names of classes and sets, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import contragan
from PIL import Image

from contragan.evaluation.image_files import distinct_names


def refused(capsys: pytest.CaptureFixture[str], words: list[str], expected: str) -> None:
    code, _, errors = contragan(capsys, *words)
    assert code == 2
    (line,) = errors.strip().splitlines()
    assert line.startswith("error: ")
    assert expected in line


def test_the_class_names_of_the_checkpoint_are_the_ones_that_count(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained_run: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    facts = json.loads((run / "dataset.json").read_text())
    words = ["evaluate", str(run), "--num", "100", "--json", str(tmp_path / "record.json")]

    def record(names: list[str]) -> dict[str, Any]:
        (run / "dataset.json").write_text(json.dumps({**facts, "class_names": names}))
        assert contragan(capsys, *words)[0] == 0
        record: dict[str, Any] = json.loads((tmp_path / "record.json").read_text())
        return record

    plain, turned = record(facts["class_names"]), record(facts["class_names"][::-1])
    name = "real_class_accuracy"
    assert turned["values"][name] == pytest.approx(plain["values"][name], abs=0.01)
    assert list(turned["class_fidelity"]["class_accuracy"]) == facts["class_names"]


def test_sets_are_named_so_that_one_can_tell_them_apart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    for place in ("a/images", "b/images"):
        (tmp_path / place).mkdir(parents=True)
        for index, pixels in enumerate(digits):
            Image.fromarray(pixels).save(tmp_path / place / f"{index}.png")
    monkeypatch.chdir(tmp_path / "a" / "images")
    words = ["evaluate", "--features", "pixels", "--json", str(tmp_path / "record.json")]
    assert contragan(capsys, *words, ".", "../../b/images")[0] == 0
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["context"]["generated"] == str(Path("a/images"))
    assert record["protocol"]["data"]["name"] == str(Path("b/images"))
    assert distinct_names(Path("."), Path(".")) == ("images", "images")
    assert distinct_names(Path("../x.npz"), Path("..")) == ("x.npz", "a")
    assert distinct_names(Path("/"), Path("/a")) == ("/", "a")


def test_a_set_with_labels_and_one_without(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "labelled.npz", images=images, labels=np.arange(40) % 2)
    np.savez(tmp_path / "plain.npz", images=images)
    words = ["evaluate", "--features", "pixels"]
    code, said, errors = contragan(
        capsys, *words, str(tmp_path / "plain.npz"), str(tmp_path / "labelled.npz")
    )
    assert code == 0
    assert "class accuracy" not in said
    assert "plain.npz has a single class, so metrics by class are left out" in said + errors


def test_evaluations_that_cannot_be_are_refused_before_training(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: list[str]
) -> None:
    wanted = ["evaluation.num_images=4", "evaluation.metrics=[precision_recall]"]
    words = ["train", "digits/contragan", "--out", str(tmp_path / "out")]
    for setting in (*tiny, *wanted, "training.evaluate_every_iterations=4"):
        words += ["--set", setting]
    refused(capsys, words, "precision and recall need at least 6")
    assert not (tmp_path / "out").exists()
