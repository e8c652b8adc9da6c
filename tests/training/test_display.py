"""What training shows: plain lines in a file, a panel on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from contragan.training.display import Display


class Clock:
    """In place of the time, which tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("contragan.training.display.time.monotonic", clock)
    return clock


def plain() -> tuple[Display, io.StringIO]:
    file = io.StringIO()
    return Display(Console(file=file, force_terminal=False, width=40), 1000), file


def test_a_log_line_says_where_training_stands() -> None:
    display, file = plain()
    with display.open():
        display.log(250, {"d/adversarial": 1.23456, "g/adversarial": -0.5}, speed=2.5)
    # One line, however narrow the terminal; (1000 - 250) / 2.5 = 300 seconds.
    said = "250/1000  2.5 it/s  5 min left  d/adversarial 1.235  g/adversarial -0.500\n"
    assert file.getvalue() == said


def test_an_evaluation_keeps_four_digits_and_warns_once() -> None:
    display, file = plain()
    display.step(500)
    for score in (12.34567, 0.000123456):
        display.evaluated({"frechet_distance": score}, ("few images",))
    assert file.getvalue().splitlines() == [
        "warning: few images",
        "500/1000  evaluated  frechet_distance 12.35",
        "500/1000  evaluated  frechet_distance 0.0001235",
    ]


def test_text_in_brackets_is_said_as_it_is() -> None:
    display, file = plain()
    display.line("class [red] has [/] no images")
    assert file.getvalue() == "class [red] has [/] no images\n"


def test_the_speed_is_a_slow_average_without_pauses(clock: Clock) -> None:
    display, _ = plain()
    display.start(100)
    clock.now += 2
    display.step(120)
    assert display.speed == pytest.approx(10)
    clock.now += 500  # an evaluation
    display.pause()
    clock.now += 2
    display.step(160)
    assert display.speed == pytest.approx(0.7 * 10 + 0.3 * 20)
    assert display._left(display.speed) == "1 min left"  # (1000 - 160) / 13 = 64.6 seconds
    display.evaluations = 600
    assert display._left(display.speed) == "11 min left"


def test_a_speed_below_one_is_told_by_the_iteration() -> None:
    display, file = plain()
    display.log(10, {}, speed=0.05)
    display.log(1000, {}, speed=0.05)
    assert file.getvalue().splitlines() == [
        "10/1000  20.0 s/it  5 h 30 min left  ",
        "1000/1000  20.0 s/it  0 s left  ",
    ]


def test_silence_is_broken_after_a_minute_then_more_and_more_seldom(clock: Clock) -> None:
    """Where log lines are far apart and there is no terminal, as in a job's file."""
    display, file = plain()
    with display.open():
        display.start(0)
        said: list[int] = []
        for iteration in range(1, 150):
            clock.now += 20
            display.step(iteration)
            if len(file.getvalue().splitlines()) > len(said):
                said.append(20 * iteration)
    assert said == [60, 180, 420, 900, 1500, 2100, 2700]
    assert file.getvalue().splitlines()[0] == "3/1000  20.0 s/it  5 h 32 min left"


def test_a_log_line_makes_up_for_one(clock: Clock) -> None:
    display, file = plain()
    display.start(0)
    for iteration in range(1, 10):
        clock.now += 20
        display.step(iteration)
        if iteration % 2 == 0:
            display.log(iteration, {}, speed=0.05)
    assert len(file.getvalue().splitlines()) == 4


def test_a_terminal_shows_where_training_stands_before_the_first_iteration() -> None:
    file = io.StringIO()
    display = Display(Console(file=file, force_terminal=True, width=100), 1000)
    with display.open():
        pass
    assert "iteration 0/1000   ? it/s   time left not known yet" in file.getvalue()


def test_a_terminal_shows_the_last_terms_and_scores(clock: Clock) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, color_system=None)
    display = Display(console, 1000)
    with display.open():
        display.log(250, {"d/adversarial": 9.0}, speed=2.5)
        display.log(500, {"d/adversarial": 1.23456}, speed=2.5)
        display.evaluated({"frechet_distance": 12.34567}, ())
        clock.now += 2
        display.step(500)
    last = file.getvalue().rpartition("iteration 500/1000")[2]
    assert "50.0%" in last
    assert "d/adversarial 1.235" in last
    assert "frechet_distance 12.35" in last
    # The panel takes the place of lines.
    assert "left  d/adversarial" not in file.getvalue()
    assert "evaluated" not in file.getvalue()


def test_no_name_is_cut_however_many_terms_there_are(clock: Clock) -> None:
    terms = ("adversarial", "contrastive", "class", "real_consistency", "fake_consistency")
    values = {f"{side}/{term}": -1.25 for side in "dg" for term in terms}
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, color_system=None)
    display = Display(console, 100_000)
    with display.open():
        display.log(500, values, speed=2.5)
        display.evaluated({"Fréchet distance": 12.34567, "class accuracy": 0.5}, ())
        clock.now += 2
        display.step(500)
    last = file.getvalue().rpartition("iteration 500/100000")[2]
    assert "…" not in last
    for name in values:
        assert f"{name} -1.250" in last
    assert "class accuracy 0.5" in last
