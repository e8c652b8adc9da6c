"""Stopping: what is noticed, and what several processes make of it."""

import signal

import pytest
from systems import posix_signals

from contragan.core import parent
from contragan.core.signals import Interrupted, interrupting
from contragan.training.stop import Stop


def test_what_comes_while_processes_agree_waits_for_the_next_time() -> None:
    """Otherwise this process would stop alone, and the others wait for its gradients."""
    stop = Stop(max_minutes=0)
    assert stop.agree(0) is None
    assert stop.exit_code == 0
    stop = Stop()
    with stop.listening():
        noticed = stop.noticed()
        signal.raise_signal(signal.SIGTERM)
        assert stop.agree(noticed) is None
        assert stop.agree(stop.noticed()) == "stopped by SIGTERM"
    assert stop.exit_code == 128 + signal.SIGTERM


def test_another_process_s_signal_does_not_make_ones_own_the_second() -> None:
    stop = Stop()
    with stop.listening():
        assert stop.agree(1 + signal.SIGINT) == "stopped by SIGINT"
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_time_limit_has_its_own_exit_code() -> None:
    stop = Stop(max_minutes=0)
    assert stop.reason == "stopped by the time limit"
    assert stop.exit_code == 124  # as that of the command `timeout`


@pytest.mark.parametrize("number", interrupting())
def test_every_signal_is_noticed_and_a_second_one_ends_at_once(number: signal.Signals) -> None:
    stop = Stop()
    with stop.listening():
        signal.raise_signal(number)
        assert stop.reason == f"stopped by {number.name}"
        with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else Interrupted):
            signal.raise_signal(number)
    assert stop.exit_code == 128 + number


def test_a_system_without_sigusr1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGUSR1")
    assert interrupting() == (signal.SIGINT, signal.SIGTERM)


@posix_signals
def test_output_that_was_closed() -> None:
    stop = Stop(abandoned=lambda: True)
    assert stop.reason == "stopped because its output was closed"
    assert stop.exit_code == 128 + signal.SIGPIPE


@posix_signals
def test_signals_after_the_end_of_the_parent_do_not_cut_the_saving_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SLURM may send SIGTERM to a run whose study has ended for the same reason."""
    stop = Stop()
    with stop.listening():
        signal.raise_signal(signal.SIGUSR1)
        assert stop.reason == "stopped by SIGUSR1"
        monkeypatch.setattr(parent, "is_gone", lambda: True)
        signal.raise_signal(signal.SIGTERM)
    assert stop.reason == "stopped by what started it"
    assert stop.exit_code == 128 + signal.SIGHUP
