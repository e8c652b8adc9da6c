"""Files of a run that somebody or something has damaged: one line each."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from contragan.core.errors import UserError
from contragan.runs.checkpoint import DamagedCheckpoint, checkpoints, pointer, prune, verify
from contragan.runs.log import MetricsLog, read_metrics
from contragan.runs.run import open_run

GOOD = json.dumps({"step": 1, "name": "d/total", "value": 0.5, "unit": "nats"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", "not UTF-8 text"),
        (f"{GOOD}\n[1, 2]\n".encode(), "line 2 is not a record"),
        (f"{GOOD}\n3\n".encode(), "line 2 is not a record"),
        (b'{"name": "d/total"}\n', "line 1 is not a record"),
        (b'{"step": null, "name": "d/total"}\n', "line 1 is not a record"),
    ],
)
def test_damaged_metrics(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_metrics(tmp_path / "metrics.jsonl")
    with pytest.raises(UserError, match=message):
        MetricsLog(tmp_path)
    assert (tmp_path / "metrics.jsonl").read_bytes() == content


def test_missing_metrics(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*metrics\.jsonl"):
        read_metrics(tmp_path / "metrics.jsonl")


def test_a_line_cut_short_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(f'{GOOD}\n{{"step": 2, "na')
    assert read_metrics(tmp_path / "metrics.jsonl") == [json.loads(GOOD)]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"..", b"step-"])
def test_damaged_pointers_lose_no_checkpoint(content: bytes, tmp_path: Path) -> None:
    for step in range(4):
        (tmp_path / f"step-{step:07d}").mkdir()
    (tmp_path / "best").write_bytes(content)
    with pytest.raises(DamagedCheckpoint, match="best is damaged: it names no checkpoint"):
        pointer(tmp_path, "best")
    prune(tmp_path)
    assert len(checkpoints(tmp_path)) == 4


def test_a_manifest_without_its_iteration(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"class_names": [], "sha256": {}}))
    with pytest.raises(DamagedCheckpoint, match=r"no readable manifest\.json"):
        verify(tmp_path)


def test_a_recipe_that_is_no_text(trained_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    (run / "recipe.yaml").write_bytes(b"\xe9\xff")
    with pytest.raises(UserError, match=r"recipe\.yaml is damaged: it is not UTF-8 text"):
        open_run(run)


@pytest.mark.parametrize("changes", [{"recipe": None}, {"seed": "0"}, {"class_names": 3}])
def test_facts_of_another_type(trained_run: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(trained_run / "recipe.yaml", run)
    facts = json.loads((trained_run / "dataset.json").read_text())
    (run / "dataset.json").write_text(json.dumps({**facts, **changes}))
    with pytest.raises(UserError, match=r"dataset\.json is damaged: TypeError"):
        open_run(run)
