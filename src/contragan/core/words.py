"""Words for messages."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence


def shortened(names: Sequence[str], most: int = 8) -> str:
    """The names in a sentence; of many the first few, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def joined(names: Sequence[str]) -> str:
    """The names as a sentence lists them.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def counted(count: int, one: str, many: str | None = None) -> str:
    """So many of a thing; ``many`` is its plural where that has more than an s.

    >>> counted(1, "run"), counted(2000, "run"), counted(2, "matrix", "matrices")
    ('1 run', '2,000 runs', '2 matrices')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def images_of(count: int) -> str:
    """How many images, in words."""
    return counted(count, "image")


def readable(count: int) -> str:
    """A number of bytes, in the unit that suits it.

    >>> readable(2_500_000)
    '2.5 MB'
    """
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} B"


def command_line(words: Sequence[str]) -> str:
    """A command to type in, for the shell of this system: that of Windows has no single quotes.

    >>> command_line(["contragan", "sample", "runs/digits/0"])
    'contragan sample runs/digits/0'
    """
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(7800)
    '2 h 10 min'
    """
    if round(seconds) < 60:
        return f"{max(1, round(seconds))} s"
    units = ("min", "h", "d")
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if minutes < 60:
        return f"{minutes} min"
    large, small, unit = (*divmod(minutes, 60), 1) if minutes < 24 * 60 else (*divmod(hours, 24), 2)
    return f"{large} {units[unit]}" + (f" {small} {units[unit - 1]}" if small else "")


def folded(name: str, width: int) -> list[str]:
    """A name in lines of at most ``width``, broken behind marks between words where there are any.

    >>> folded("cifar10-biggan-4110746a-seed0", 16)
    ['cifar10-biggan-', '4110746a-seed0']
    """
    lines = [""]
    for piece in re.findall(r"[^-_/+., ]*[-_/+., ]+|[^-_/+., ]+", name):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1]) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return lines
