"""What is printed for people."""

import os

import pytest
from rich.console import Console

from contragan.core.console import note


def test_a_name_that_is_no_text_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    note(Console(), "unreadable: " + os.fsdecode(b"caf\xe9.png"))
    assert capsys.readouterr().out == "unreadable: caf\\udce9.png\n"
