"""A page that follows runs while they are trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from contragan.report.page import Report, report, run_folders

EVERY = 10.0
"""Seconds between two looks at the runs' folders."""


def watch(
    paths: Sequence[Path],
    out: Path,
    told: Callable[[Report], None],
    *,
    every: float = EVERY,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Write the page again whenever the runs have changed, until all have finished.

    ``told`` gets each page that was written. Ctrl-C ends it; the page stays whole.
    """
    seen: object = None
    while True:
        now = _state(paths)
        if now != seen:
            written = report(paths, out, watching=True)
            if written.runs and written.finished:
                written = report(paths, out)  # it says no longer that it follows them
            told(written)
            if written.runs and written.finished:
                return
            seen = now
        sleep(every)


def _state(paths: Sequence[Path]) -> list[tuple[str, float]]:
    files = [
        folder / name
        for path in paths
        for folder in run_folders(path)
        for name in ("metrics.jsonl", "samples", "dataset.json")
    ]
    return [(str(file), file.stat().st_mtime) for file in files if file.exists()]
