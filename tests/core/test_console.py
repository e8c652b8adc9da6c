"""What is printed for people."""

import os

import pytest
from rich.console import Console

from contragan.core.console import note, progress_bar


def test_a_name_that_is_no_text_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    note(Console(), "unreadable: " + os.fsdecode(b"caf\xe9.png"))
    assert capsys.readouterr().out == "unreadable: caf\\udce9.png\n"


def test_work_that_goes_to_a_file_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("contragan.core.console.time.monotonic", lambda: now)
    with progress_bar(Console()) as progress:
        for now in (1.0, 14.0, 16.0, 70.0, 77.0, 78.0):
            progress("decoding", round(1000 * now), 78_000)
    assert capsys.readouterr().out.splitlines() == [
        "decoding: 16,000 of 78,000, about 1 min left",
        "decoding: 77,000 of 78,000, about 1 s left",
    ]
    with progress_bar(Console(quiet=True)) as progress:
        now = 1000.0
        progress("decoding", 1, 2)
    assert capsys.readouterr().out == ""
