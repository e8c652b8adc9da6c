"""What Windows and macOS do otherwise, pretended on the system that the tests run on."""

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import contragan
from contragan.core import files
from contragan.core.errors import UserError
from contragan.core.words import command_line
from contragan.losses.adversarial import Hinge
from contragan.runs import export
from contragan.runs.lock import LOCK, RunLock
from contragan.training.stability import logit_signals

SOURCES = Path(contragan.__file__).parent


def _names_no_encoding(call: ast.Call) -> bool:
    """Whether a call reads or writes a text file in the encoding of whatever system it runs on."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
    given = {keyword.arg for keyword in call.keywords}
    if name in {"read_text", "write_text"} and isinstance(call.func, ast.Attribute):
        return "encoding" not in given
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    modes = [v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)]
    return name == "open" and bool(modes) and "encoding" not in given and "b" not in modes[-1]


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("path.read_text()", True),
        ("Path('x').write_text('y', encoding='utf-8')", False),
        ("read_text(path)", False),
        ("open(path, 'w')", True),
        ("path.open('r', encoding='utf-8')", False),
        ("path.open('ab')", False),
    ],
)
def test_the_rule_on_encodings(code: str, wrong: bool) -> None:
    call = ast.parse(code, mode="eval").body
    assert isinstance(call, ast.Call)
    assert _names_no_encoding(call) == wrong


def test_text_files_have_an_encoding() -> None:
    """Windows would read them in that of its language, where most of ours are UTF-8."""

    def wrong() -> Iterator[str]:
        for path in SOURCES.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _names_no_encoding(node):
                    yield f"{path.relative_to(SOURCES)}:{node.lineno}: {ast.unparse(node)}"

    in_archives = "archive.open"  # of members of a zip file, which are bytes
    assert [line for line in wrong() if in_archives not in line] == []


def test_lines_end_alike_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_text

    def as_on_windows(path: Path, text: str, encoding: str, newline: str | None = None) -> int:
        return write(path, text, encoding, newline="\r\n" if newline is None else newline)

    monkeypatch.setattr(Path, "write_text", as_on_windows)
    files.write_text(tmp_path / "a", "1\n2\n")
    assert (tmp_path / "a").read_bytes() == b"1\n2\n"


def test_a_file_that_somebody_reads_is_replaced_when_they_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, refusals = os.replace, [0]

    def busy(*paths: Any) -> None:
        if refusals[0]:
            refusals[0] -= 1
            raise PermissionError(13, "Access is denied")
        replace(*paths)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(files, "PATIENCE", 5.0)
    refusals[0] = 2
    files.write_text(tmp_path / "last", "step-0000010")
    assert (tmp_path / "last").read_text(encoding="utf-8") == "step-0000010"
    monkeypatch.setattr(files, "PATIENCE", 0.0)
    refusals[0] = 1
    with pytest.raises(UserError, match=r"cannot write .*last: Access is denied"):
        files.write_text(tmp_path / "last", "step-0000020")
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_an_unused_folder_goes_where_locked_files_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, unlink = RunLock(tmp_path / "run"), Path.unlink

    def held(path: Path, missing_ok: bool = False) -> None:
        if path.name == LOCK and lock._lock.is_locked:
            raise PermissionError(13, "Access is denied")
        unlink(path, missing_ok)

    lock.take()
    (tmp_path / "run" / ".recipe.yaml.0.tmp").touch()
    monkeypatch.setattr(Path, "unlink", held)
    release = lock._lock.release

    def released(force: bool = False) -> None:
        release(force)
        unlink(tmp_path / "run" / LOCK, missing_ok=True)  # as the lock on Windows does

    monkeypatch.setattr(lock._lock, "release", released)
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a/b", "a_b", "..", "dog: wet", "A", "a"]
    assert export.folder_names(names) == ["a_b-0", "a_b-1", "__", "dog: wet", "A", "a"]
    monkeypatch.setattr(export, "REFUSED", r'[<>:"/\\|?*]')
    monkeypatch.setattr(export, "ONE_CASE", True)
    assert export.folder_names(names) == ["a_b-0", "a_b-1", "__", "dog_ wet", "A-4", "a-5"]


def test_a_command_to_type_in(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["contragan", "resume", "my runs/0"]
    monkeypatch.setattr(sys, "platform", "linux")
    assert command_line(words) == "contragan resume 'my runs/0'"
    monkeypatch.setattr(sys, "platform", "win32")
    assert command_line(words) == 'contragan resume "my runs/0"'


def test_signals_of_a_device_without_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = {"train": torch.tensor([2.0, -1.0, 3.0]), "generated": torch.tensor([-0.5, -1.5])}
    monkeypatch.setattr(torch.Tensor, "double", None, raising=False)
    signals = logit_signals(logits, Hinge())
    assert signals["authenticity_train"] == pytest.approx(2 / 3, rel=1e-15)
    assert signals["saturated"] == pytest.approx(3 / 5, rel=1e-15)
