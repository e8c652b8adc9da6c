"""What a running study shows."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pretended_study import write_study
from rich.console import Console

from contragan.core.errors import UserError
from contragan.studies.pace import seconds_left
from contragan.studies.plan import PlannedRun
from contragan.studies.record import RecordedRun
from contragan.studies.runner import Kind, Progress
from contragan.studies.show import show_study
from contragan.studies.view import View


def progress(index: int, kind: Kind, iteration: int = 0, seed: int = 0, **more: Any) -> Progress:
    run = RecordedRun(
        row=f"row {index}",
        column="2C",
        seed=seed,
        name=f"run{index}-seed{seed}",
        data="digits",
        total_iterations=1000,
        evaluated=True,
    )
    planned = cast(PlannedRun, SimpleNamespace(recorded=run, name=run.name))
    return Progress(planned, kind, iteration, **more)


def view_of(runs: list[Progress], slots: int = 1) -> tuple[View, io.StringIO]:
    text = io.StringIO()
    console = Console(file=text, width=80, force_terminal=True, color_system=None)
    view = View(console, "mine at scale tiny")
    with view.open(runs, slots):
        pass
    return view, text


def left(runs: list[Progress], slots: int = 1, now: float = 100.0) -> float | None:
    return seconds_left(runs, slots, now)


def test_a_run_without_a_speed_counts_at_that_of_its_cell_then_of_all() -> None:
    here: Any = SimpleNamespace()  # a handle: made in this session
    slow = progress(0, "running", 500, began=(0.0, 400), handle=here)  # a second each
    fast = progress(1, "done", 1000, pace=0.25, handle=here)
    assert left([slow, progress(2, "waiting")]) == pytest.approx(500 + 1000)
    assert left([slow, fast, progress(2, "waiting")]) == pytest.approx(500 + 625)
    assert left([slow, fast, progress(1, "waiting", seed=1)]) == pytest.approx(500 + 250)
    # What was made before this session counts where nothing of the session does.
    before = progress(1, "done", 1000, pace=3.0)
    assert left([before, progress(1, "waiting", seed=1)]) == pytest.approx(3000)
    assert left([slow, before, progress(1, "waiting", seed=1)]) == pytest.approx(500 + 3000)
    assert left([slow, before, fast, progress(1, "waiting", seed=1)]) == pytest.approx(500 + 250)
    assert left([progress(0, "running", 5), progress(1, "waiting")]) is None
    assert left([fast, before]) is None


def test_one_long_run_is_waited_for() -> None:
    runs = [progress(0, "running", 500, began=(0.0, 400)), progress(1, "running", 900)]
    runs[1].began = (0.0, 800)
    assert left(runs, slots=2) == pytest.approx(500)
    assert left([*runs, progress(2, "waiting")], slots=4) == pytest.approx(1000)


def test_time_left_is_told_for_each_run_and_for_all() -> None:
    """Two at a time, a second per iteration each: 500 left of each, and 1,000 of a third."""
    runs = [progress(index, "running", 500, began=(0.0, 400)) for index in range(2)]
    runs.append(progress(2, "waiting"))
    assert runs[0].seconds_left(100.0) == pytest.approx(500)
    view, _ = view_of(runs, slots=2)
    assert view.summary(100.0) == "1 waiting, 2 running, about 17 min left"
    assert "8 min" in str([list(column.cells) for column in view.table(100.0).columns][3])


def test_of_many_runs_the_busy_ones_are_shown_first() -> None:
    runs = [progress(0, "done", 1000), progress(1, "failed", detail="no [room] left")]
    runs += [progress(index, "waiting") for index in range(2, 30)]
    runs += [progress(30, "running", 10), progress(31, "elsewhere", 20)]
    view, _ = view_of(runs)
    text = io.StringIO()
    Console(file=text, width=80).print(view.table(0.0))
    lines = [line.strip("│ ") for line in text.getvalue().splitlines()]
    assert max(map(len, text.getvalue().splitlines())) == 80
    order = ["row 30, 2C", "row 31, 2C", "row 1, 2C", "no [room] left", "row 2,", "and 24 more"]
    found = [next(i for i, line in enumerate(lines) if line.startswith(part)) for part in order]
    assert found == sorted(found)
    assert "10/1,000" in lines[found[0]]
    assert "running elsewhere" in lines[found[1]]


def test_without_a_terminal_lines_say_what_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.StringIO()
    view = View(Console(file=text, width=80), "mine at scale tiny")
    runs = [progress(0, "running", 10), progress(1, "waiting")]
    monkeypatch.setattr("contragan.studies.view.time.monotonic", lambda: 0.0)
    with view.open(runs, 1):
        view.line("started run0")
        view.show(1.0)
        view.show(61.0)
        view.show(62.0)
    assert text.getvalue() == "started run0\n1 waiting, 1 running; run0-seed0 10/1,000\n"


def test_a_study_is_shown(tmp_path: Path) -> None:
    text = io.StringIO()
    console = Console(file=text, width=80)
    path = str(write_study(tmp_path / "mine.yaml"))
    show_study(path, None, console)
    assert "scale small: more iterations (2 seeds)" in text.getvalue()
    assert "digits/contragan" in text.getvalue()
    show_study(path, "tiny", console)
    assert "data sets: none to give" in text.getvalue()
    with pytest.raises(UserError, match="has no scale 'tin', did you mean 'tiny'"):
        show_study(path, "tin", console)
