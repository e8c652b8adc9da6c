"""Image files that cannot be used: all of them, each with its reason, in one place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from contragan.core.console import note
from contragan.core.errors import UserError
from contragan.core.files import write_text
from contragan.core.words import images_of

MOST_NAMED = 3
"""Files that an error names; it is one line."""

MOST_LISTED = 50
"""Files that are listed on the screen; a report holds all."""


BELOW = "smaller than the resolution"
"""In the reason why an image that is too small cannot be used."""


class UnreadableImages(UserError):
    """Images that cannot be used, as :func:`failure` has them, and what to do."""

    def __init__(self, failures: Sequence[str]) -> None:
        named = "; ".join(told(one) for one in failures[:MOST_NAMED])
        more = len(failures) - MOST_NAMED
        if len(failures) == 1:
            message = f"unreadable image: {named}; replace or remove it"
        else:
            message = f"{len(failures):,} unreadable images: {named}"
            message += f"; and {more:,} more, all of which --report FILE lists" if more > 0 else ""
            message += "; replace or remove them"
        if any(BELOW in one for one in failures):
            message += ", lower data.resolution or set data.enlarge=true (in an evaluation"
            message += " --resolution and --enlarge)"
        super().__init__(f"{message}, or go on with --skip-unreadable")
        self.failures = tuple(failures)


def failure(path: str, reason: object) -> str:
    """A file with the reason why it cannot be read, in one line."""
    return f"{path}\t{' '.join(str(reason).split())}"


def told(failure: str) -> str:
    """A failure for people; caches of earlier versions hold it in this form."""
    path, _, reason = failure.rpartition("\t")
    return f"{path} ({reason})" if path else reason


def say_unreadable(
    failures: Iterable[str], console: Console, report: Path | None, *, skipped: bool
) -> None:
    """Tell of all images that cannot be used, and write them to ``report``: one line for each.

    ``skipped``: they are left out, which is said in one line; else an error follows, and all are
    listed before it.
    """
    found = list(dict.fromkeys(failures))
    if report is not None:
        lines = ["file\treason", *(one if "\t" in one else f"{one}\t" for one in found)]
        text = "\n".join(lines).encode(errors="backslashreplace").decode()
        write_text(report, text + "\n")
        note(console, f"note: {images_of(len(found))} that cannot be used: listed in {report}")
    if not found:
        return
    if skipped:
        hint = "" if report is not None or len(found) == 1 else "; --report FILE lists all"
        note(console, f"note: left out: {_count(len(found))}, the first is {told(found[0])}{hint}")
    elif report is None and len(found) > MOST_NAMED:
        for one in found[:MOST_LISTED]:
            note(console, f"cannot be used: {told(one)}")
        if len(found) > MOST_LISTED:
            note(console, f"and {len(found) - MOST_LISTED:,} more")


def _count(count: int) -> str:
    return "1 unreadable image" if count == 1 else f"{count:,} unreadable images"
