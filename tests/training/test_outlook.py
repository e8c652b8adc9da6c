"""The time of a training is told early, and ways out of one that takes days."""

import io
import time

import pytest
from rich.console import Console

from contragan.recipes.schema import load_recipe
from contragan.training.display import Display
from contragan.training.outlook import Outlook
from contragan.training.seconds import Seconds
from contragan.training.shorter import Way

CONFIG = load_recipe(
    "digits/contragan",
    ["training.total_iterations=100000", "training.evaluate_every_iterations=20000"],
).training


class Asked:
    """Ways out that note how they were asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, float]] = []

    def __call__(self, done: int, seconds: float) -> list[Way]:
        self.calls.append((done, seconds))
        return [Way("fewer iterations", ("training.total_iterations=7",), 60.0)]


def outlook(begin: int = 0, spent: float = 0.0) -> tuple[Outlook, io.StringIO, Asked, Display]:
    file, asked = io.StringIO(), Asked()
    display = Display(Console(file=file), CONFIG.total_iterations)
    return Outlook(CONFIG, display, begin, asked, spent), file, asked, display


WARNING = [
    "warning: that is more than 2 days. Ctrl-C saves and stops. What makes a run shorter, with "
    "times that are estimated, not measured:",
    "  fewer iterations, about 1 min:",
    "    --set training.total_iterations=7",
]


def test_days_are_warned_of_once() -> None:
    told, file, asked, _ = outlook()
    told.after(1, Seconds(total=30.0))
    told.after(2, Seconds(total=58.0))
    told.after(3, Seconds(total=90.0, evaluation=100.0))
    lines = file.getvalue().splitlines()
    assert [line.partition(" (")[0] for line in lines if line.startswith("about")] == [
        "about 34 d 17 h in all on this machine",
        "about 32 d 10 h in all on this machine",
        "about 34 d 17 h in all on this machine",
    ]
    assert lines[1:4] == WARNING
    assert len(lines) == 6
    ((done, seconds),) = asked.calls
    assert done == 1
    assert seconds == pytest.approx(3_000_000)


def test_two_days_are_not_too_long() -> None:
    told, file, asked, _ = outlook(begin=90_000)
    told.after(90_001, Seconds(total=17.0))
    told.after(90_002, Seconds(total=34.0))
    assert file.getvalue() == (
        "about 1 d 23 h left on this machine (17.0 seconds per iteration; 1 evaluation not "
        "counted)\n"
    )
    assert asked.calls == []


def test_the_time_left_counts_evaluations() -> None:
    told, _, _, display = outlook()
    told.after(50_000, Seconds(total=1.0))
    assert display.evaluations == 0
    told.after(50_000, Seconds(total=1.0, evaluation=40.0))
    assert display.evaluations == 3 * 40  # at 60,000, 80,000 and the end


def test_pictures_and_an_evaluation_before_belong_to_the_first_minute() -> None:
    for spent, seconds in ((0, 13.0), (26, 11.9), (500, 9.0)):
        told, file, _, _ = outlook(spent=spent)
        told.after(1, Seconds(total=seconds))
        assert file.getvalue() == ""
    for spent, seconds in ((0, 26.0), (26, 12.1), (500, 11.0)):
        told, file, _, _ = outlook(spent=spent)
        told.after(1, Seconds(total=seconds))
        assert file.getvalue().startswith("about ")


def test_a_first_iteration_that_does_not_end_is_told_by_a_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("contragan.training.outlook.SAY_BY", 0.05)
    told, file, _, _ = outlook()
    told.start()
    told._started -= 50
    deadline = time.monotonic() + 10
    while len(file.getvalue().splitlines()) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    told.close()
    first, *rest = file.getvalue().splitlines()
    assert first.startswith("more than ")
    assert "(the first of 100,000 iterations has taken 5" in first
    assert rest == WARNING


def test_an_iteration_that_ends_in_time_silences_the_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("contragan.training.outlook.SAY_BY", 0.2)
    told, file, _, _ = outlook()
    told.start()
    told.after(1, Seconds(total=0.01))
    time.sleep(0.4)
    assert file.getvalue() == ""


def test_an_iteration_that_compiles_says_nothing_of_the_others() -> None:
    file = io.StringIO()
    display = Display(Console(file=file), CONFIG.total_iterations)
    told = Outlook(CONFIG, display, 0, Asked(), compiles=True)
    told.start()
    told.after(1, Seconds(total=300.0))
    assert file.getvalue() == ""
    for iteration in range(2, 12):
        told.after(iteration, Seconds(total=300.0 + 1.0 * (iteration - 1)))
    assert file.getvalue().startswith("about 1 d 4 h in all on this machine")
    assert "warning" not in file.getvalue()
    told.close()
