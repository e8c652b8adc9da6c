"""How long a training will take is said once it is known."""

import pytest

from contragan.training.forecast import Forecast, duration


def said(forecast: Forecast, each: float, first: float, iterations: int) -> dict[int, str]:
    """What is said after iterations that take so long, the first longer; never evaluated."""
    lines = {}
    for iteration in range(1, iterations + 1):
        line = forecast.line(iteration, first + (iteration - 1) * each, 0, None)
        if line is not None:
            lines[iteration] = line
    return lines


def test_once_after_a_few_seconds_without_the_first_iteration() -> None:
    lines = said(Forecast(total=3601, begin=0), each=2.0, first=12.0, iterations=40)
    expected = "about 2 h on this machine (2.0 seconds per iteration)"
    assert lines == {11: expected.replace("2 h", "2 h in all")}
    lines = said(Forecast(total=80_000, begin=0), each=0.125, first=1.0, iterations=400)
    assert lines == {41: "about 2 h 47 min in all on this machine (8.0 iterations per second)"}


def test_slow_iterations_are_told_within_the_first_minute() -> None:
    lines = said(Forecast(total=1000, begin=0), each=31.0, first=28.0, iterations=9)
    assert list(lines) == [2]


def test_of_a_resumed_run_what_is_left() -> None:
    forecast = Forecast(total=1020, begin=900)
    assert forecast.line(901, 1.0, 0, None) is None
    assert forecast.line(920, 20.0, 0, None) == (
        "about 2 min left on this machine (1.0 iterations per second)"
    )


def test_evaluations_are_counted_when_one_was_timed() -> None:
    forecast = Forecast(total=621, begin=0)
    forecast.line(1, 1.0, 2, None)
    assert forecast.line(21, 21.0, 2, None) == (
        "about 10 min in all on this machine (1.0 iterations per second; 2 evaluations not counted)"
    )
    assert forecast.line(22, 22.0, 2, None) is None
    assert forecast.line(301, 301.0, 1, 300.0) == (
        "about 15 min in all on this machine (1.0 iterations per second; "
        "with evaluations, 1 more of 5 min)"
    )
    assert forecast.line(302, 302.0, 1, 300.0) is None


def test_a_training_that_ends_at_once_says_nothing() -> None:
    assert not said(Forecast(total=30, begin=0), each=0.1, first=1.0, iterations=30)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"), (59, "59 s"), (59.9, "1 min"), (60, "1 min"), (3599, "1 h"),
        (7800, "2 h 10 min"),
        (86_399, "1 d"), (86_400, "1 d"), (100_000, "1 d 4 h"),
    ],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
