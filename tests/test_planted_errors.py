"""The list of planted errors fits the source, and the script that plants them tells the truth."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))
planting = importlib.import_module("planted_errors")
ERRORS = planting.load_errors()


def error(old: str, new: str, within: str | None = None) -> object:
    return planting.Error("e", "a", "w", old, new, ("test_small.py",), within)


@pytest.fixture(scope="module")
def sources() -> dict[Path, str]:
    return planting.load_sources()  # type: ignore[no-any-return]


@pytest.mark.parametrize("entry", ERRORS, ids=lambda entry: entry.name)
def test_each_error_stands_once_in_the_source(entry: object, sources: dict[Path, str]) -> None:
    """Stale: mend benchmarks/planted_errors.yaml where the code it speaks of has changed."""
    try:
        path, text = planting.planted(entry, sources)
    except ValueError as problem:
        pytest.fail(str(problem), pytrace=False)
    assert text != sources[path]


def test_the_list_covers_every_area() -> None:
    assert len({entry.name for entry in ERRORS}) == len({entry.key for entry in ERRORS})
    assert len(ERRORS) == len({entry.key for entry in ERRORS})
    areas = Counter(entry.area for entry in ERRORS if entry.equivalent is None)
    assert sum(areas.values()) >= 60
    assert areas.keys() == {
        "losses", "penalties", "step", "ema", "data order", "labels", "augmentation", "networks",
        "evaluation", "checkpoints", "sampling", "processes",
    }  # fmt: skip


SOURCE = "def double(x):\n    return x + x\n\n\nclass A:\n    def double(self):\n        return 0\n"


def test_places_are_found_by_function_wherever_it_lies() -> None:
    sources = {Path("src/deep/er.py"): SOURCE}
    path, text = planting.planted(error("return", "yield", "A.double"), sources)
    assert (path, text) == (Path("src/deep/er.py"), SOURCE.replace("return 0", "yield 0"))
    for old, within, count in (
        ("return", "double", 2),
        ("return", None, 2),
        ("x + x", "A", 0),
        ("x + x", "absent", 0),
    ):
        with pytest.raises(ValueError, match=f"stands {count} times"):
            planting.planted(error(old, "", within), sources)
    with pytest.raises(ValueError, match="not Python"):
        planting.planted(error("x + x", "x +"), sources)


def test_a_small_tree(tmp_path: Path) -> None:
    """One error that its test notices, one that only a test notices which always fails."""
    for folder in ("src", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "src" / "small.py").write_text(SOURCE)
    for name, answer in (("small", 6), ("always", 7)):
        (tmp_path / "tests" / f"test_{name}.py").write_text(
            f"from small import double\n\n\ndef test_double():\n    assert double(3) == {answer}\n"
        )
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    sources = {Path("src/small.py"): SOURCE}
    copy, file = planting.Copy(tmp_path), tmp_path / "found.jsonl"
    results = planting.Results(file, "these sources")
    seen, unseen = error("x + x", "x * x"), error("return 0", "return 1")
    line = planting.examine(seen, copy, sources, results, likely=False)
    assert line == "e: noticed by tests/test_small.py::test_double"
    line = planting.examine(unseen, copy, sources, results, likely=True)
    assert line == "e: NOT NOTICED"
    assert (tmp_path / "src" / "small.py").read_text() == SOURCE
    again = planting.Results(file, "these sources")
    assert again.is_known(seen, likely_only=False)
    assert again.is_known(unseen, likely_only=True)
    assert not again.is_known(unseen, likely_only=False)
    assert not planting.Results(file, "other sources").found
    # The second round goes on from there.
    line = planting.examine(unseen, copy, sources, again, likely=False)
    assert line == "e: noticed by tests/test_always.py::test_double"
    assert planting.summary([seen, unseen], again) == ["a: 2 of 2", "noticed: 2 of 2"]
    planting.confirm(copy, [seen, unseen], again)
    last = planting.Results(file, "these sources")
    assert planting.summary([seen, unseen], last)[-2:] == [
        "noticed: 1 of 2",
        "not noticed: e (w)",
    ]
    assert all(last.is_known(entry, likely_only=False) for entry in (seen, unseen))
    assert last.found[seen.key]["confirmed"]  # type: ignore[attr-defined]
