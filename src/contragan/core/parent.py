"""Not outliving the process that started this one, however that one ends.

The parent holds the writing end of a pipe that is this process's standard input, and never writes.
When it closes the pipe, or dies by any signal, the system ends the input: that is the request to
save and stop. It works on every system, reaches a parent's children after SIGKILL too, and does
not mistake another process for the parent, as process numbers may.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading

VARIABLE = "CONTRAGAN_STOP_AT_END_OF_INPUT"
"""Set to 1 by a parent whose children are to stop with it."""

_gone = threading.Event()


def watch() -> None:
    """Stop this process, as SIGTERM does, when its input ends, if its parent asked for that."""
    if os.environ.get(VARIABLE) == "1":
        threading.Thread(target=_wait, name="parent", daemon=True).start()


def is_gone() -> bool:
    """Whether the parent has gone, or has asked to stop by closing the pipe."""
    return _gone.is_set()


def _wait() -> None:
    try:
        while os.read(0, 1):
            pass
    except OSError:  # no input at all: nobody holds the other end
        pass
    _gone.set()
    if os.name == "posix":
        os.kill(os.getpid(), signal.SIGTERM)  # wakes a main thread that waits for something
    else:
        _thread.interrupt_main(signal.SIGTERM)
