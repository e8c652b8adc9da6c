"""Records side by side, with every difference in protocol marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contragan.core.errors import UserError
from contragan.evaluation.record import (
    EvaluationRecord,
    features_in_words,
    metric_title,
    plain_title,
)
from contragan.runs.log import read_metrics
from contragan.runs.run import open_run

if TYPE_CHECKING:
    from rich.table import Table

MODEL_FACTS = ("ema",)
"""Entries of a record's context that change a score as the protocol does."""


@dataclass(frozen=True)
class Comparison:
    """Scores and protocol differences of named records, in their order.

    ``scores`` maps a metric to one value per record, None where a record lacks it. ``differences``
    maps a setting's path to its values where they are not all equal: scores of such records are
    not comparable.
    """

    names: tuple[str, ...]
    scores: dict[str, list[float | None]]
    differences: dict[str, list[Any]]

    @property
    def comparable(self) -> bool:
        """Whether every record follows one protocol."""
        return not self.differences


def compare(records: Mapping[str, EvaluationRecord]) -> Comparison:
    """Compares records by name; ValueError for none."""
    if not records:
        raise ValueError("nothing to compare")
    found = list(records.values())
    metrics = dict.fromkeys(name for record in found for name in record.values)
    settings = [_flat(_facts(record)) for record in found]
    paths = dict.fromkeys(path for setting in settings for path in setting)
    values = {path: [setting.get(path) for setting in settings] for path in paths}
    return Comparison(
        tuple(records),
        {name: [record.values.get(name) for record in found] for name in metrics},
        {path: row for path, row in values.items() if _differs(path, row)},
    )


def _differs(path: str, row: list[Any]) -> bool:
    # A count is missing where its metric was not computed: that is not another protocol.
    known = [value for value in row if value is not None or not path.startswith("counts.")]
    return any(value != known[0] for value in known)


def _facts(record: EvaluationRecord) -> dict[str, Any]:
    # The name of a protocol and the list of metrics change no score; num_images is a count.
    left_out = {"protocol", "metrics", "num_images"}
    kept = {key: value for key, value in record.protocol.items() if key not in left_out}
    model = {key: record.context[key] for key in MODEL_FACTS if key in record.context}
    return {**kept, "counts": record.counts, **model}


def _flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in facts.items():
        path = f"{prefix}{key}"
        flat |= _flat(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return flat


def comparison_table(records: Mapping[str, EvaluationRecord]) -> Table:
    """A table for the terminal, one column per record: scores, features, differences in protocol.

    A score has its published name only where that is right for every record.
    """
    from rich.table import Table
    from rich.text import Text

    found = compare(records)
    table = Table(title="evaluations side by side", title_justify="left")
    table.add_column("")
    for name in found.names:
        table.add_column(Text(name))
    for metric, values in found.scores.items():
        titles = {
            metric_title(record, metric) for record in records.values() if metric in record.values
        }
        title = titles.pop() if len(titles) == 1 else plain_title(metric)
        cells = ["-" if value is None else f"{value:.4g}" for value in values]
        table.add_row(title, *cells)
    table.add_row("features", *[Text(features_in_words(record)) for record in records.values()])
    if found.differences:
        table.add_section()
        table.add_row("[bold]differs: not comparable[/bold]", *[""] * len(found.names))
        for path, row in found.differences.items():
            table.add_row(path, *[Text("-" if value is None else str(value)) for value in row])
    return table


def compare_runs(paths: list[Path]) -> Table:
    """The last evaluation of each run side by side, with every difference in protocol marked.

    Raises:
        UserError: a run that was never evaluated, or whose log is damaged.
    """
    records = {}
    for path in paths:
        log = open_run(path).path / "metrics.jsonl"
        lines = read_metrics(log) if log.exists() else []
        found = [line for line in lines if line["name"] == "evaluation"]
        if not found:
            raise UserError(f"{path} was never evaluated: run `contragan evaluate {path}` first")
        try:
            records[str(path)] = EvaluationRecord.from_dict(found[-1])
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{log} is damaged: its last evaluation is not whole. Evaluate {path} again"
            ) from error
    return comparison_table(records)
