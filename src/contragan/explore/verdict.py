"""What the newest evaluation of a run says of its classes, for a banner."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

from contragan.evaluation.by_class import NO_FAULT, faults
from contragan.report.read import read_run


@dataclass(frozen=True)
class Verdict:
    """``kind``: whether the classes are fine, faulty, or nobody knows; what is said of them."""

    kind: Literal["fine", "faulty", "unknown"]
    lines: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def html(self) -> str:
        """The banner; nothing in it is markup but our own."""
        said = "".join(f"<p>{_text(line)}</p>" for line in self.lines)
        if self.warnings:
            listed = "".join(f"<li>{_text(line)}</li>" for line in self.warnings)
            count = len(self.warnings)
            said += (
                f"<details><summary>What it warns of ({count})</summary><ul>{listed}</ul></details>"
            )
        return f'<div class="verdict {self.kind}" role="status">{said}</div>'


def _text(line: str) -> str:
    return f'<bdi dir="auto">{escape(line)}</bdi>'


def newest_verdict(path: Path) -> Verdict:
    """What the last evaluation by class in a run's log found, as far as it can be read."""
    run = read_run(path, path.name)
    if isinstance(run, str):
        return Verdict("unknown", (run,))
    if not run.evaluations:
        return Verdict(
            "unknown",
            (
                "The run was never evaluated, so nobody knows whether images show their class: "
                f"contragan evaluate {path}",
            ),
        )
    for step, record in reversed(run.evaluations):
        if not isinstance(record.class_fidelity, dict):
            continue
        found = faults(record.class_fidelity)
        if record.class_fidelity.get("conditional") is False:
            return Verdict("unknown", tuple(found), record.warnings)
        lines = (f"At the newest evaluation (iteration {step:,}): {' '.join(found)}",)
        return Verdict("fine" if found == [NO_FAULT] else "faulty", lines, record.warnings)
    return Verdict(
        "unknown",
        (
            "No evaluation looked at the classes: "
            f"contragan evaluate {path} --metrics class_fidelity",
        ),
    )
