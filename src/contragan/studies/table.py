"""A study's results as tables: as the paper lays them out, and one line per cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contragan.studies import words
from contragan.studies.results import At, CellResult, Results
from contragan.studies.words import NOTHING


@dataclass(frozen=True)
class Grid:
    """A table of text: the first column of ``rows`` is what each row is called."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""

    def width(self, columns: list[int]) -> int:
        """Characters that these columns take, with three between two."""
        widest = [
            max(len(line[column]) for line in (self.header, *self.rows)) for column in columns
        ]
        return sum(widest) + 3 * len(widest) + 1

    def only(self, columns: list[int]) -> Grid:
        rows = tuple(tuple(row[column] for column in columns) for row in self.rows)
        return Grid(tuple(self.header[column] for column in columns), rows, self.title)


def paper_layout(results: Results) -> Grid:
    """The study's rows and columns, with a line each for what was published and for ours.

    What a table of the paper has besides, parameters and time, comes below.
    """
    columns = list(dict.fromkeys(found.cell.column for found in results.cells))
    lines: list[tuple[str, ...]] = []
    for row in dict.fromkeys(found.cell.row for found in results.cells):
        cells = {found.cell.column: found for found in results.cells if found.cell.row == row}
        for what, say in _lines(results):
            said = [say(cells[column]) if column in cells else "" for column in columns]
            if any(word not in {"", NOTHING} for word in said):
                lines.append((f"{row}: {what}", *said))
    return Grid(("", *columns), tuple(lines))


def cell_layout(results: Results) -> Grid:
    """One line per cell: published, ours best, ours last, and what the paper has besides."""
    lines = _lines(results)
    rows = [(label(results, found), *(say(found) for _, say in lines)) for found in results.cells]
    return _without_empty(Grid(("", *(what for what, _ in lines)), tuple(rows)))


def score_layout(results: Results, at: At) -> Grid:
    """One line per cell: every score at each run's best evaluation, or at its last."""
    rows = [
        (
            label(results, found),
            words.of_runs(found),
            *(words.of_mean(found.spread(score, at), score) for score in results.scores),
        )
        for found in results.cells
    ]
    header = ("", "runs", *map(words.short_title, results.scores))
    return Grid(header, tuple(rows), f"All scores at each run's {at} evaluation")


def _lines(results: Results) -> list[tuple[str, Callable[[CellResult], str]]]:
    """What is said of each cell, with what it is called."""
    score = results.main_score
    published = [found.cell.published for found in results.cells if found.cell.published]
    lines: list[tuple[str, Callable[[CellResult], str]]] = [
        ("published FID", lambda found: words.of_published(found.cell.published)),
    ]
    if any(each.intra_class_fid is not None for each in published):
        lines.append(("published intra-class FID", _published_number("intra_class_fid", ".2f")))
    lines += [
        ("ours, best", lambda found: words.of_cell(found, score, "best")),
        ("ours, last", lambda found: words.of_cell(found, score, "last")),
    ]
    if any(each.parameters is not None for each in published):
        lines += [
            ("published M parameters", _published_number("parameters", ".1f")),
            ("M parameters, G + D", words.of_parameters),
        ]
    if any(each.seconds is not None for each in published):
        lines += [
            ("published s/iteration", _published_number("seconds", ".3f")),
            ("s/iteration", words.of_seconds),
        ]
    return lines


def _published_number(name: str, digits: str) -> Callable[[CellResult], str]:
    def say(found: CellResult) -> str:
        value = getattr(found.cell.published, name, None)
        return NOTHING if value is None else format(value, digits)

    return say


def label(results: Results, found: CellResult) -> str:
    """A cell's label, without the row where all cells share it."""
    same = len({each.cell.row for each in results.cells}) == 1
    return found.cell.column if same else found.cell.label


def _without_empty(grid: Grid) -> Grid:
    kept = [
        column
        for column in range(len(grid.header))
        if column == 0 or any(row[column] != NOTHING for row in grid.rows)
    ]
    return grid.only(kept)
