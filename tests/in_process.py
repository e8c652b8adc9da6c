"""The command line without a new process, which would import PyTorch again."""

import sys

import pytest

from contragan import cli


def exit_code(*words: object) -> int:
    """Run ``contragan WORDS`` here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["contragan", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return int(ended.value.code or 0)


def contragan(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Run ``contragan WORDS`` here: exit code, output, errors."""
    code = exit_code(*words)
    said = capsys.readouterr()
    return code, said.out, said.err
