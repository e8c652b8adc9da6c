"""What three people do in their first hour, from lists beside this file; see README.md there."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from in_process import exit_code
from PIL import Image

HERE = Path(__file__).parent


def command(line: str, tiny: list[str]) -> int:
    """Run a command in this process; its exit code."""
    line = line.replace("$TINY", " ".join(f"--set {setting}" for setting in tiny))
    program, *words = shlex.split(line)
    assert program == "contragan"
    return exit_code(*words)


def draw_photos(folders: dict[str, int]) -> None:
    """Images of one colour for each folder, with noise over it."""
    random = np.random.default_rng(0)
    for number, (folder, count) in enumerate(folders.items()):
        Path(folder).mkdir(parents=True)
        for index in range(count):
            noise = random.integers(0, 120, (40, 48, 3))
            noise[..., number % 3] += 120
            Image.fromarray(noise.astype(np.uint8)).save(Path(folder, f"{index}.png"))


@pytest.mark.parametrize(
    "person", [pytest.param("researcher", marks=pytest.mark.slow), "photos", "student"]
)
def test_the_first_hour(
    person: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tiny: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # as with PYTHONPATH=.
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    steps: list[dict[str, Any]] = yaml.safe_load((HERE / f"{person}.yaml").read_text("utf-8"))
    for step in steps:
        known = {"run", "code", "says", "makes", "write", "text", "photos", "python"}
        assert step.keys() <= known, step
        if "photos" in step:
            draw_photos(step["photos"])
        if "write" in step:
            Path(step["write"]).write_text(step["text"], encoding="utf-8")
        if "python" in step:
            exec(step["python"], {})
        if "run" in step:
            capfd.readouterr()
            code = command(step["run"], tiny)
            printed = capfd.readouterr()
            said = printed.out + printed.err
            assert code == step.get("code", 0), (step["run"], said)
            assert "Traceback" not in said
            if code == 2 and step["run"] != "contragan":
                assert len(printed.err.splitlines()) == 1, said
            found = "".join(said.split())
            for text in step.get("says", []):
                assert "".join(str(text).split()) in found, (step["run"], text, said)
        for path in step.get("makes", []):
            assert Path(path).exists(), (step, path)
