"""The metric of docs/extend.md, followed word by word in a copy of the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import contragan

PAGE = Path(__file__).parents[1] / "docs" / "extend.md"


def blocks(title: str, language: str) -> list[str]:
    """The code of one kind in a section of the page."""
    text = PAGE.read_text()
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def test_a_metric_in_one_file_and_one_line(tmp_path: Path, trained_run: Path) -> None:
    module, imported = blocks("A metric", "python")
    (member,) = blocks("A metric", "text")
    shutil.copytree(Path(contragan.__file__).parent, tmp_path / "contragan")
    metrics = tmp_path / "contragan" / "metrics"
    (metrics / "spread.py").write_text(module)
    listing = metrics / "__init__.py"
    text = listing.read_text()
    at = text.index("OWN_METRICS")
    line = text.index("(\n", at) + 2
    listing.write_text(text[:at] + imported + "\n" + text[at:line] + member + text[line:])

    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    done = subprocess.run(
        [sys.executable, "-m", "contragan", "evaluate", str(run), "--metrics", "spread"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "spread of features" in done.stdout
    record = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert list(record["values"]) == ["spread_ratio"]
    assert 0 < record["values"]["spread_ratio"] < 100
