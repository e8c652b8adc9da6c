"""How the C library treats memory that is freed."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 2**31 - 1
_DEFAULT = {_MMAP_THRESHOLD: 32 * 2**20, _TRIM_THRESHOLD: 64 * 2**20}


def keep_freed_memory(keep: bool = True) -> None:
    """Have freed memory stay with this process; ``keep=False`` returns to the library's own ways.

    glibc hands blocks of more than 32 MiB back to the system at once, and a training step asks for
    the like again: every 4 KiB of an activation then costs a page fault, on virtual machines more
    time than its arithmetic. Does nothing where the C library has no such setting.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for setting, default in _DEFAULT.items():
        mallopt(setting, _KEPT if keep else default)
