"""Variants by kind: this package's own, and those of installed packages."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from contragan.core import registry
from contragan.core.config import Config
from contragan.core.errors import UserError
from contragan.core.registry import union


class Red(Config):
    kind: Literal["red"]
    depth: int


class Blue(Config):
    kind: Literal["blue"]


class AnotherRed(Config):
    kind: Literal["red"]


class Nameless(Config):
    depth: int


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str, value: str) -> None:
    (folder / "an_extension.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "an_extension", raising=False)
    point = EntryPoint("theirs", value, "contragan.colours")

    def entry_points(group: str) -> EntryPoints:
        return EntryPoints([point] if group == point.group else [])

    monkeypatch.setattr(registry, "entry_points", entry_points)


def test_the_kind_chooses_the_variant() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(union("colours", Red, Blue, base=Config))
    assert adapter.validate_python({"kind": "red", "depth": 3}) == Red(kind="red", depth=3)
    with pytest.raises(ValidationError, match="does not match any of the expected tags"):
        adapter.validate_python({"kind": "green"})


def test_a_kind_that_exists_already_is_refused_with_both_places() -> None:
    with pytest.raises(UserError, match=r"AnotherRed \(.*test_registry\.py\).*'red' is taken by"):
        union("colours", Red, AnotherRed, base=Config)


def test_a_class_without_a_kind_is_refused() -> None:
    with pytest.raises(UserError, match=r"Nameless \(.*cannot join colours: it has no kind"):
        union("colours", Red, Nameless, base=Config)


GREEN = """
from typing import Literal
from contragan.core.config import Config

class Green(Config):
    kind: Literal["{kind}"]
"""


def test_an_installed_package_joins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, tmp_path, GREEN.format(kind="green"), "an_extension:Green")
    adapter: TypeAdapter[Any] = TypeAdapter(union("colours", Red, Blue, base=Config))
    assert type(adapter.validate_python({"kind": "green"})).__name__ == "Green"


def test_an_installed_package_may_not_take_a_kind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, tmp_path, GREEN.format(kind="blue"), "an_extension:Green")
    with pytest.raises(UserError, match=r"an_extension\.Green \(.*an_extension\.py\).*'blue'"):
        union("colours", Red, Blue, base=Config)


def test_an_installed_package_that_is_broken_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, tmp_path, "import nothing_of_that_name", "an_extension:Green")
    with pytest.raises(UserError, match="the installed extension theirs"):
        union("colours", Red, Blue, base=Config)


HEAD = """
from typing import Literal
from contragan.models.heads.base import ConditioningSettings

class Mine(ConditioningSettings):
    kind: Literal["mine"]
"""


def test_an_extension_may_be_imported_before_this_package(tmp_path: Path) -> None:
    (tmp_path / "an_extension.py").write_text(HEAD)
    facts = tmp_path / "an_extension-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: an-extension\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[contragan.heads]\nmine = an_extension:Mine\n")
    code = (
        "import an_extension; from contragan.models.heads import ConditioningConfig as union; "
        "assert str(union).count('an_extension.Mine') == 1, union; "
        "from contragan.core.registry import installed; "
        "assert installed('heads') == [an_extension.Mine]"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
