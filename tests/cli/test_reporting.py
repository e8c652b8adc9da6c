"""``contragan report`` on the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from contragan.cli import application
from contragan.core.errors import UserError


def test_a_page_of_a_trained_run(trained_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    shown = CliRunner().invoke(application.app, ["report", str(trained_run), "--out", str(out)])
    assert shown.exit_code == 0
    assert f"report: {out} (1 run, 1." in shown.output
    page = out.read_text(encoding="utf-8")
    assert "finished (8 of 8 iterations)" in page
    assert "training.batch_size" in page


def test_a_folder_as_the_page_is_refused(trained_run: Path, tmp_path: Path) -> None:
    asked = ["report", str(trained_run), "--out", str(tmp_path)]
    with pytest.raises(UserError, match="is a folder: name a file"):
        CliRunner().invoke(application.app, asked, catch_exceptions=False)


def test_watching_says_what_is_left_out(trained_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    words = ["report", str(trained_run), str(tmp_path / "nowhere"), "--out", str(out), "--watch"]
    lines = CliRunner().invoke(application.app, words, catch_exceptions=False).output.splitlines()
    assert lines[0].endswith("written again until all runs have finished; Ctrl-C ends it")
    (left_out,) = (line for line in lines if line.startswith("left out: "))
    assert left_out.endswith("nowhere: there is no such folder.")
    assert lines[-1].startswith(f"report: {out} (1 run, ")
