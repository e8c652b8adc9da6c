"""Copies of a trained run in which something is otherwise."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

CopyRun = Callable[..., Path]

ATTACK = "</script><script>window.hit=1</script><img src=x onerror=window.hit=1>"
NAMES = [ATTACK, "\"quotes' & <b>bold</b>", "😀 emoji", "עברית", "dog, wet", *"56789"]


@pytest.fixture
def copy_run(trained_run: Path, tmp_path: Path) -> CopyRun:
    """A function that copies the tiny run; its classes get other ``names``."""

    def copy(names: Sequence[str] | None = None, place: str = "run") -> Path:
        folder = tmp_path / place
        shutil.copytree(trained_run, folder)
        files = [folder / "dataset.json", *folder.glob("checkpoints/*/manifest.json")]
        for file in files if names else ():
            facts = json.loads(file.read_text())
            file.write_text(json.dumps({**facts, "class_names": list(names or ())}))
        return folder

    return copy
