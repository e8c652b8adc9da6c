"""What all kinds of figures share: names of runs, and files that appear whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contragan.core.errors import UserError
from contragan.core.files import check_writable, whole, write_text
from contragan.recipes.catalog import short_name
from contragan.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
DPI = 150


def check_figure_file(path: Path) -> None:
    """Raises UserError where a figure cannot be written to this file."""
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"--out {path}: a figure is written as {', '.join(FORMATS)}; name it so")
    check_writable(path.parent, "--out in")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all, in the format that the file's name says."""
    with whole(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lower()[1:], dpi=DPI)


def save_csv(header: Sequence[str], rows: Iterable[Sequence[object]], path: Path) -> None:
    """Write the numbers behind a figure as CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def run_titles(runs: Sequence[Run]) -> list[str]:
    """A title for each run: its recipe and seed, and its folder where that names several."""
    titles = [f"{short_name(run.name)}, seed {run.seed}" for run in runs]
    return [
        f"{title} ({run.path})" if titles.count(title) > 1 else title
        for title, run in zip(titles, runs, strict=True)
    ]
