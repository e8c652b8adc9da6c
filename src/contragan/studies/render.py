"""A study's results for a terminal, and as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from contragan.studies import table, words
from contragan.studies.claims import CONFIDENCE, judge
from contragan.studies.readings import Evaluation
from contragan.studies.results import AT, CellResult, Results, Spread
from contragan.studies.table import Grid

if TYPE_CHECKING:
    from rich.console import Console

CLAIMS = "Orderings, and whether they hold here"

RULE = (
    f"an ordering holds, or does not, where the {CONFIDENCE:.0%} interval of the difference of the "
    "two means (Welch's t-test over seeds) lies on one side of 0, and is undecided otherwise. Each "
    f"is judged by itself: of 20 pairs of equal cells, about {round(20 * (1 - CONFIDENCE))} would "
    "be taken for different"
)


def show(results: Results, console: Console) -> None:
    """Print everything, in tables that fit the console's width."""
    _say(console, words.heading(results))
    _say(console, words.scale_line(results))
    for grid in grids(results, console.width):
        console.print(_rich(grid))
    for line in words.legend(results):
        _say(console, line)
    if judged := judge(results):
        _say(console, f"\n{CLAIMS}:")
        for each in judged:
            _say(console, words.of_claim(each))
        _say(console, RULE)


def _say(console: Console, text: str) -> None:
    """Print a line, broken between words on a terminal."""
    console.print(text, highlight=False, markup=False, soft_wrap=not console.is_terminal)


def grids(results: Results, width: int | None = None) -> list[Grid]:
    """The tables of a study; columns that ``width`` has no room for stand in further tables."""
    main = table.cell_layout(results)
    if results.record.study.layout == "columns":
        whole = table.paper_layout(results)
        if width is None or whole.width(list(range(len(whole.header)))) <= width:
            main = whole
    found = [main]
    if len(results.scores) > 1:
        best, last = (table.score_layout(results, at) for at in AT)
        if best.rows == last.rows:
            found.append(replace(best, title=f"{best.title}, which is its last"))
        else:
            found += [best, last]
    return found if width is None else [part for grid in found for part in _fitting(grid, width)]


def _fitting(grid: Grid, width: int) -> Iterable[Grid]:
    """The grid's columns in as many grids as it takes, each with the first column."""
    chosen: list[int] = []
    for column in range(1, len(grid.header)):
        if chosen and grid.width([0, *chosen, column]) > width:
            yield grid.only([0, *chosen])
            chosen = []
        chosen.append(column)
    yield grid.only([0, *chosen])


def _rich(grid: Grid) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(grid.title) if grid.title else None
    shown = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1))
    for index, name in enumerate(grid.header):
        shown.add_column(Text(name), justify="right" if index else "left", overflow="fold")
    for row in grid.rows:
        shown.add_row(*map(Text, row))
    return shown


def to_markdown(results: Results, level: int = 1) -> str:
    """The tables and all that has to be known of them."""
    lines = [f"{'#' * level} {words.heading(results)}", "", f"**{words.scale_line(results)}.**", ""]
    for grid in grids(results):
        lines += [f"{grid.title}:", ""] if grid.title else []
        lines += [*markdown_table(grid), ""]
    lines += [f"- {_escaped(line)}" for line in words.legend(results)]
    if judged := judge(results):
        lines += ["", f"{'#' * (level + 1)} {CLAIMS}", ""]
        lines += [f"- {_escaped(words.of_claim(each))}" for each in judged]
        lines += ["", f"{RULE[0].upper()}{RULE[1:]}."]
    return "\n".join(lines) + "\n"


def markdown_table(grid: Grid) -> list[str]:
    lines = [grid.header, ("---", *["---:"] * (len(grid.header) - 1)), *grid.rows]
    return [f"| {' | '.join(map(_escaped, line))} |" for line in lines]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


COLUMNS = (
    *("study", "scale", "row", "column", "recipe", "seed", "run", "state", "score"),
    *("best", "best_iteration", "last", "last_iteration"),
    *("published_fid", "published_spread", "published_protocol", "scale_note"),
)


def to_csv(results: Results) -> str:
    """One line per run and score, so that means and spreads can be checked.

    A run that is not done has one line, without a score.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    record = results.record
    note_text = record.study.scales[record.scale].note
    for found in results.cells:
        cell, published = found.cell, found.cell.published
        said = ("", "", "")
        if published is not None:
            said = (_plain(published.fid), _plain(published.spread), published.protocol)
        for run in found.runs:
            head = (record.name, record.scale, cell.row, cell.column, cell.recipe, run.run.seed)
            best, last = run.evaluation("best"), run.evaluation("last")
            scores = results.scores if best is not None and last is not None else []
            for score in scores:
                assert best is not None
                assert last is not None
                values = (*_at(best, score), *_at(last, score))
                line = (run.run.name, run.word, score, *map(_plain, values))
                writer.writerow((*head, *line, *said, note_text))
            if not scores:
                writer.writerow((*head, run.run.name, run.word, "", *[""] * 4, *said, note_text))
    return text.getvalue()


def _at(evaluation: Evaluation, score: str) -> tuple[float | None, int]:
    return evaluation.scores.get(score), evaluation.iteration


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def to_json(results: Results) -> str:
    """Everything, with each run's own values."""
    record = results.record
    content = {
        "study": record.name,
        "title": record.study.title,
        "question": record.study.question,
        "scale": record.scale,
        "scale_note": record.study.scales[record.scale].note,
        "notes": words.legend(results),
        "cells": [_cell(results, found) for found in results.cells],
        "claims": [
            {
                **each.claim.model_dump(mode="json"),
                "verdict": each.verdict,
                "measured_lower": _spread(each.lower),
                "measured_than": _spread(each.than),
                "difference": None if each.difference is None else asdict(each.difference),
            }
            for each in judge(results)
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cell(results: Results, found: CellResult) -> dict[str, Any]:
    parameters = found.parameters()
    return {
        **found.cell.model_dump(mode="json", exclude={"scales", "seeds"}),
        "ours": {
            at: {score: _spread(found.spread(score, at)) for score in results.scores} for at in AT
        },
        "seconds_per_iteration": _spread(found.seconds()),
        "parameters": None
        if parameters is None
        else dict(zip(("generator", "discriminator"), parameters, strict=True)),
        "runs": [
            {
                "name": run.run.name,
                "seed": run.run.seed,
                "state": run.word,
                **{at: None if (e := run.evaluation(at)) is None else asdict(e) for at in AT},
            }
            for run in found.runs
        ],
    }


def _spread(found: Spread | None) -> dict[str, Any] | None:
    return None if found is None else asdict(found)
