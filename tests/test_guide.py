"""docs/guide.md: its example reads a real log, and its tables name what there is."""

import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from contragan.metrics.registry import SCORES
from contragan.runs.export import export_samples
from contragan.runs.model import load

PAGE = (Path(__file__).parents[1] / "docs" / "guide.md").read_text(encoding="utf-8")


def test_the_log_in_pandas(trained_run: Path) -> None:
    pandas = pytest.importorskip("pandas")
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(example.replace("runs/digits/contragan-eq7/0", trained_run.as_posix()), names)
    scalars, confusion = names["scalars"], names["confusion"]
    assert isinstance(scalars, pandas.DataFrame)
    assert list(scalars.index) == [2, 4, 6, 8]
    assert isinstance(confusion, pandas.DataFrame)
    assert confusion.to_numpy().sum() == 64


def test_files_and_keys_are_those_of_a_run(trained_run: Path, tmp_path: Path) -> None:
    for checkpoint in (trained_run / "checkpoints").glob("step-*"):
        for file in checkpoint.iterdir():
            assert f"`{file.name}`" in PAGE
    assert all(item.name in PAGE for item in trained_run.iterdir() if item.suffix != ".lock")
    out = tmp_path / "samples.npz"
    export_samples(
        load(trained_run),
        out,
        classes=None,
        num=2,
        seed=0,
        truncation=None,
        console=Console(quiet=True),
    )
    with np.load(out) as arrays:
        assert set(arrays.files) == set(re.findall(r"^\| `(\w+)` \| \(", PAGE, re.MULTILINE))


def test_every_score_is_explained() -> None:
    rows = " ".join(re.findall(r"^\|.*", PAGE, re.MULTILINE)).lower()
    stems = {"kernel distance std", "classifier score std", "cas real to generated"}
    for title in {score.title.lower() for score in SCORES.values()} - stems:
        for word in title.removesuffix(" mean").removesuffix(" worst").split():
            assert word in rows, title
