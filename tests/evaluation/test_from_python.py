"""``contragan.evaluate`` from Python: runs, models, files and arrays."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import contragan
from contragan.runs.log import read_metrics
from contragan.runs.run import open_run


def test_a_run_its_folder_and_its_model_score_alike(trained_run: Path, tmp_path: Path) -> None:
    run = open_run(Path(shutil.copytree(trained_run, tmp_path / "run")))
    asked = {"features": "pixels", "num_images": 40, "quiet": True}
    records = [
        contragan.evaluate(one, **asked)  # type: ignore[arg-type]
        for one in (run, str(run.path), contragan.load(run.path))
    ]
    assert records[0].values["frechet_distance"] > 0
    assert all(record.values == records[0].values for record in records)
    kept = [one for one in read_metrics(run.path / "metrics.jsonl") if one["name"] == "evaluation"]
    assert [one["values"] for one in kept[-3:]] == [records[0].values] * 3


def test_arrays_in_every_form_score_as_the_same_file(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (90, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(90) % 3
    names = ["cat", "dog", "fox"]
    np.savez(tmp_path / "all.npz", images=images, labels=labels, class_names=np.array(names))
    real = (torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels), names)
    asked = {"features": "pixels", "metrics": ["frechet_distance", "class_fidelity"], "quiet": True}
    found = [
        contragan.evaluate((images[:60], labels[:60], names), one, **asked)  # type: ignore[arg-type]
        for one in (tmp_path / "all.npz", (images, labels, names), real)
    ]
    for record in found:
        assert_allclose(list(record.values.values()), list(found[0].values.values()), rtol=1e-6)
        assert record.class_fidelity is not None
        assert list(record.class_fidelity["class_accuracy"]) == names


@pytest.mark.parametrize(
    ("generated", "real", "expected"),
    [
        (np.zeros((4, 8, 8, 3), np.uint8), None, "give the real ones as `real`"),
        (np.zeros((4, 8, 8, 3), np.float32), np.zeros((4, 8, 8, 3), np.uint8), "float32 images"),
        ("nowhere", np.zeros((4, 8, 8, 3), np.uint8), "no images at nowhere"),
    ],
)
def test_what_cannot_be_compared(
    generated: str | np.ndarray, real: np.ndarray | None, expected: str
) -> None:
    with pytest.raises(contragan.UserError, match=expected):
        contragan.evaluate(generated, real, features="pixels", quiet=True)


def test_a_run_is_not_compared_with_other_images(trained_run: Path) -> None:
    with pytest.raises(contragan.UserError, match="leave `real` out"):
        contragan.evaluate(open_run(trained_run), "somewhere", quiet=True)
