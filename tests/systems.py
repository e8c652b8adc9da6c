"""What a test needs of the operating system."""

import sys

import pytest

posix_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows knows neither these signals nor process groups"
)
"""Signals are named by a word in the parameters of such a test: ``signal.SIGKILL`` at import would
keep its whole file from being collected on Windows."""
