"""How long a training will take is said once it is known."""

import pytest

from contragan.training.forecast import Forecast


def said(forecast: Forecast, each: float, first: float, iterations: int) -> dict[int, str]:
    """What is said after iterations that take so long, the first longer; never evaluated."""
    lines = {}
    for iteration in range(1, iterations + 1):
        estimate = forecast.after(iteration, first + (iteration - 1) * each, 0, None)
        if estimate is not None:
            lines[iteration] = estimate.line
    return lines


def test_once_after_a_few_seconds_without_the_first_iteration() -> None:
    lines = said(Forecast(total=3601, begin=0), each=2.0, first=12.0, iterations=40)
    assert lines == {11: "about 2 h in all on this machine (2.0 seconds per iteration)"}
    lines = said(Forecast(total=80_000, begin=0), each=0.125, first=1.0, iterations=400)
    assert lines == {41: "about 2 h 47 min in all on this machine (8.0 iterations per second)"}


@pytest.mark.parametrize(
    ("first", "each"), [(5, 6), (9, 9), (12, 10), (20, 18), (24, 24), (25, 25), (29, 29), (49, 40)]
)
def test_slow_iterations_are_told_within_the_first_minute(first: float, each: float) -> None:
    lines = said(Forecast(total=1000, begin=0), each, first, iterations=9)
    assert first + (min(lines) - 1) * each < 60
    assert len(lines) == (2 if first > 25 else 1)
    assert f"({each:.1f} seconds per iteration)" in lines[max(lines)]


def test_of_one_slow_iteration_it_is_said_that_there_was_one() -> None:
    estimate = Forecast(total=1000, begin=0).after(1, 40.0, 0, None)
    assert estimate is not None
    assert estimate.line == (
        "about 11 h 7 min in all on this machine (40.0 seconds per iteration, by the first, "
        "the slowest)"
    )
    assert estimate.seconds == pytest.approx(40_000)


def test_a_first_iteration_that_does_not_end() -> None:
    estimate = Forecast(total=10_000, begin=0).during_the_first(50.0)
    assert estimate.line == (
        "more than 5 d 19 h in all on this machine (the first of 10,000 iterations has taken 50 s "
        "so far)"
    )
    assert estimate.seconds == pytest.approx(500_000)
    estimate = Forecast(total=10_000, begin=9_000).during_the_first(50.0)
    assert estimate.line.startswith("more than 13 h 53 min left on this machine (the first of 1,0")


def test_of_a_resumed_run_what_is_left() -> None:
    forecast = Forecast(total=1020, begin=900)
    assert forecast.after(901, 1.0, 0, None) is None
    estimate = forecast.after(920, 20.0, 0, None)
    assert estimate is not None
    assert estimate.line == "about 2 min left on this machine (1.0 iterations per second)"
    assert estimate.seconds == pytest.approx(100)


def test_evaluations_are_counted_when_one_was_timed() -> None:
    forecast = Forecast(total=621, begin=0)
    forecast.after(1, 1.0, 2, None)
    first = forecast.after(21, 21.0, 2, None)
    assert first is not None
    assert first.line == (
        "about 10 min in all on this machine (1.0 iterations per second; 2 evaluations not counted)"
    )
    assert forecast.after(22, 22.0, 2, None) is None
    second = forecast.after(301, 301.0, 1, 300.0)
    assert second is not None
    assert second.line == (
        "about 15 min in all on this machine (1.0 iterations per second; "
        "with evaluations, 1 more of 5 min)"
    )
    assert second.seconds == pytest.approx(621 + 300)
    assert forecast.after(302, 302.0, 1, 300.0) is None


def test_a_training_that_ends_at_once_says_nothing() -> None:
    assert not said(Forecast(total=30, begin=0), each=0.1, first=1.0, iterations=30)
