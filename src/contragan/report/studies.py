"""A study on top of its page: its tables, and whether the orderings that it names hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contragan.core.errors import UserError
from contragan.runs.run import is_run
from contragan.studies import words
from contragan.studies.claims import Judged, judge
from contragan.studies.record import Record, is_study, pool_of, read_record
from contragan.studies.render import CLAIMS, RULE, grids
from contragan.studies.results import AT, Results, read_results
from contragan.studies.table import Grid


@dataclass(frozen=True)
class StudyFacts:
    """What a page says of one study.

    ``lacking`` are the texts of cells whose runs are not all done. ``claims`` are verdicts and what
    each is about.
    """

    path: Path
    title: str
    question: str
    scale: str
    grids: tuple[Grid, ...]
    lacking: frozenset[str]
    legend: tuple[str, ...]
    claims: tuple[tuple[str, str], ...]
    is_finished: bool
    claims_title: str = CLAIMS
    rule: str = f"{RULE[0].upper()}{RULE[1:]}."


def study_of(path: Path) -> Record | str | None:
    """A study's record; None for another folder, and a sentence for one that cannot be read."""
    if is_run(path) or not is_study(path):
        return None
    try:
        return read_record(path)
    except UserError as error:
        return f"The study's table is not shown: {error}."


def study_facts(record: Record, path: Path) -> StudyFacts:
    """The results of a study in ``path``, as far as its runs have come."""
    results = read_results(record, path)
    return StudyFacts(
        path=path,
        title=words.heading(results),
        question=record.study.question,
        scale=words.scale_line(results),
        grids=tuple(grids(results)),
        lacking=_lacking(results),
        legend=tuple(words.legend(results)),
        claims=tuple(map(_claim, judge(results))),
        is_finished=len(results.done) == len(record.distinct()),
    )


def _lacking(results: Results) -> frozenset[str]:
    unfinished = [cell for cell in results.cells if cell.unfinished()]
    texts = {words.of_cell(cell, results.main_score, at) for cell in unfinished for at in AT}
    return frozenset(texts | {words.of_runs(cell) for cell in unfinished})


def _claim(judged: Judged) -> tuple[str, str]:
    verdict, _, rest = words.of_claim(judged).partition(": ")
    return verdict, rest


def run_labels(record: Record, path: Path) -> dict[Path, str]:
    """What the study calls each of its runs, by folder: what their cells differ in, and the seed.

    A run that several cells share is called as in the first.
    """
    pool = pool_of(record, path)
    rows, columns = ({getattr(run, part) for run in record.runs} for part in ("row", "column"))
    return {
        pool / run.name: ", ".join(
            [run.row] * (len(rows) > 1) + [run.column] * (len(columns) > 1) + [f"seed {run.seed}"]
        )
        for run in record.distinct()
    }


def study_runs(record: Record, path: Path) -> list[Path]:
    """The folders of a study's runs, wherever they lie."""
    pool = pool_of(record, path)
    return [pool / run.name for run in record.distinct()]
