"""A comparison of runs for the terminal: tables that fit its width, and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contragan.core.words import folded
from contragan.evaluation.comparison import ComparedRun, Comparison, RunsCompared
from contragan.evaluation.record import (
    EvaluationRecord,
    features_in_words,
    metric_title,
    plain_title,
)

if TYPE_CHECKING:
    from rich.table import Table

ABOVE, BESIDE = 16, 26
"""Characters of a run's name in one line, above a column and beside a row; longer ones go on in
the next line."""

EDGE = 3
"""Characters between two columns."""

WORDS = {
    "batch_norm": "batch-norm statistics of the generator",
    "batch_size": "images per batch",
    "counts.generated": "number of generated images",
    "counts.reference": "number of real images",
    "data.fingerprint": "content of the real images",
    "data.name": "data set",
    "data.split": "split of the real images",
    "ema": "moving average of the weights",
    "extractor.clamped": "resized values kept within 0 to 255",
    "extractor.extractor": "features",
    "extractor.precision": "precision of the features",
    "extractor.resize": "resizing before the features",
    "images": "how images are read",
    "labels": "labels of the generated images",
    "reference": "real images compared with",
    "rounding": "rounding of generated images to 8 bits",
    "training_data.fingerprint": "content of the training images",
}
"""Settings of a protocol in words, by their paths in a record."""


@dataclass(frozen=True)
class Column:
    """One evaluation in a table."""

    run: str
    which: str
    iteration: int
    evaluations: int
    record: EvaluationRecord

    @property
    def facts(self) -> dict[str, str]:
        return {"iteration": f"{self.iteration:,}", "evaluations": f"{self.evaluations:,}"}


def tables(compared: RunsCompared, width: int) -> list[Table]:
    """The scores: evaluations beside each other where they fit, else below each other."""
    columns = [column for run in compared.runs for column in _columns(run)]
    titles = score_titles(column.record for column in columns)
    cells = {title: [_cell(c.record, metric) for c in columns] for metric, title in titles.items()}
    facts = {name: [column.facts[name] for column in columns] for name in columns[0].facts}
    heads = [[*folded(column.run, ABOVE), column.which] for column in columns]
    rows = {**facts, **cells}
    needed = max(map(len, rows)) + sum(
        EDGE + max(map(len, [*head, *(row[index] for row in rows.values())]))
        for index, head in enumerate(heads)
    )
    if needed + EDGE + 1 <= width:
        return [_upright(heads, rows)]
    return _lying(columns, rows, width)


def _columns(run: ComparedRun) -> list[Column]:
    entries, count = run.entries(), len(run.evaluations.by_iteration)
    if len(set(entries.values())) == 1:
        entries = {" and ".join(entries): run.evaluations.last}
    return [
        Column(run.name, which, iteration, count, run.evaluations.by_iteration[iteration])
        for which, iteration in entries.items()
    ]


def score_titles(records: Iterable[EvaluationRecord]) -> dict[str, str]:
    """Titles of all scores; a published name only where that is right for every record."""
    found = list(records)
    titles: dict[str, str] = {}
    for name in dict.fromkeys(name for record in found for name in record.values):
        said = {metric_title(record, name) for record in found if name in record.values}
        title = said.pop() if len(said) == 1 else plain_title(name)
        # What stands in brackets concerns the features, which a line of their own names.
        titles[name] = plain_title(name) if "(" in title else title
    return titles


def _cell(record: EvaluationRecord, metric: str) -> str:
    return f"{record.values[metric]:.4g}" if metric in record.values else "-"


def _upright(heads: Sequence[Sequence[str]], rows: Mapping[str, Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="evaluations side by side", title_justify="left")
    table.add_column("")
    for head in heads:
        table.add_column(Text("\n".join(head)), justify="right")
    for title, row in rows.items():
        table.add_row(Text(title), *map(Text, row))
    return table


def _lying(columns: Sequence[Column], rows: Mapping[str, Sequence[str]], width: int) -> list[Table]:
    """Evaluations below each other, with as many scores in each table as fit."""
    from rich.table import Table
    from rich.text import Text

    names = _names_beside(columns)
    front = max(len(line) for name in names for line in name.splitlines())
    room = width - 1 - front - max(len(column.which) for column in columns) - 2 * EDGE
    blocks: list[list[str]] = [[]]
    left = room
    for title, row in rows.items():
        needed = EDGE + max(map(len, [*title.split(), *row]))
        if needed > left and blocks[-1]:
            blocks.append([])
            left = room
        blocks[-1].append(title)
        left -= needed
    found: list[Table] = []
    for block in blocks:
        table = Table(title=None if found else "evaluations side by side", title_justify="left")
        table.add_column("run", no_wrap=True)
        table.add_column("", no_wrap=True)
        for title in block:
            table.add_column(Text(title), justify="right")
        for index, column in enumerate(columns):
            cells = (Text(rows[title][index]) for title in block)
            table.add_row(Text(names[index]), column.which, *cells)
        found.append(table)
    return found


def _names_beside(columns: Sequence[Column]) -> list[str]:
    """What stands before each row: a run's name, over both of its rows where it has two."""
    names: list[str] = []
    for index, column in enumerate(columns):
        first, *rest = folded(column.run, BESIDE)
        if index and columns[index - 1].run == column.run:
            names.append("\n".join(rest))
        elif index + 1 < len(columns) and columns[index + 1].run == column.run:
            names.append(first)
        else:
            names.append("\n".join([first, *rest]))
    return names


def sentences(compared: RunsCompared) -> list[str]:
    """What the tables do not say: features, protocols that differ, unlike lengths."""
    called = [run.name for run in compared.runs]
    lines: list[str] = []
    features = {features_in_words(run.last) for run in compared.runs}
    if len(features) == 1:
        lines.append(f"features: {features.pop()}")
    lines += differences_in_words(compared.comparison, called)
    last = [run.evaluations.last for run in compared.runs]
    if len(set(last)) > 1:
        lines.append(
            "unlike lengths: last evaluated at iteration "
            + _by_value([f"{iteration:,}" for iteration in last], called)
            + ". A longer training is better for that reason alone."
        )
    for run in compared.runs:
        if others := run.evaluations.others:
            many = f"{others} evaluations" if others > 1 else "1 evaluation"
            lines.append(f"left out: {many} of {run.name} under other protocols")
    return lines


def differences_in_words(found: Comparison, names: Sequence[str]) -> list[str]:
    """A line for each setting in which the records' protocols differ."""
    lines = [
        f"- {WORDS.get(path, path.replace('_', ' ').replace('.', ': '))} ({path}): "
        + _by_value([_value(path, value) for value in row], names)
        for path, row in found.differences.items()
    ]
    if lines:
        lines.insert(0, "not comparable, for the protocols differ:")
    return lines


def _value(path: str, value: Any) -> str:
    if value is None:
        return "not stated"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)[:8] if path.endswith("fingerprint") else str(value)


def _by_value(values: Sequence[str], names: Sequence[str]) -> str:
    """Each value with the names that have it."""
    return "; ".join(
        f"{value} in {', '.join(n for n, v in zip(names, values, strict=True) if v == value)}"
        for value in dict.fromkeys(values)
    )
