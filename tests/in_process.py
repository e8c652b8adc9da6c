"""The command line without a new process, which would import PyTorch again."""

import sys

import pytest

from contragan import cli


def contragan(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Run ``contragan WORDS`` here: exit code, output, errors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["contragan", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err
