"""How a study's numbers and circumstances are put into words."""

from __future__ import annotations

from typing import Any

from contragan.studies.claims import CONFIDENCE, Judged
from contragan.studies.readings import DISTANCE, distinct_lines
from contragan.studies.results import At, CellResult, Results, Spread
from contragan.studies.schema import Published

NOTHING = "-"

PAPER = "contragan-paper"
"""The protocol of the paper's tables, which print three digits behind the point."""

TITLES = {
    DISTANCE: "Fréchet distance",
    "intra_class_distance_mean": "intra-class distance",
    "relabelled_class_accuracy": "class accuracy after relabelling",
}
"""Titles of scores that are not their names."""

SHORT = {
    DISTANCE: "Fréchet",
    "intra_class_distance_mean": "intra-class",
    "class_accuracy": "accuracy",
    "relabelled_class_accuracy": "relabelled",
}
"""The same where a table has little room; :func:`legend` explains them."""


def title(score: str) -> str:
    return TITLES.get(score, score.replace("_", " "))


def short_title(score: str) -> str:
    return SHORT.get(score, score.replace("_", " "))


def number(value: float, score: str) -> str:
    """A score's value: two digits behind the point for distances, three for shares."""
    if "kernel" in score:
        return f"{value:.4f}"
    return f"{value:.2f}" if "distance" in score else f"{value:.3f}"


def of_mean(found: Spread | None, score: str) -> str:
    """``24.12 ± 0.43``: mean and sample standard deviation."""
    if found is None:
        return NOTHING
    deviation = "" if found.deviation is None else f" ± {number(found.deviation, score)}"
    return f"{number(found.mean, score)}{deviation}"


def of_spread(found: Spread | None, score: str, expected: int | None = None) -> str:
    """``24.12 ± 0.43 (3)``, with the number of runs; ``(2 of 3)`` where some are not done."""
    if found is None:
        return NOTHING
    runs = f"{found.n}" if expected in {None, found.n} else f"{found.n} of {expected}"
    return f"{of_mean(found, score)} ({runs})"


def of_cell(result: CellResult, score: str, at: At) -> str:
    """A cell's score over its seeds, or how far its runs are where there is none."""
    found = result.spread(score, at)
    return of_runs(result) if found is None else of_spread(found, score, len(result.runs))


def of_runs(result: CellResult) -> str:
    """``3``, ``2 of 3``; how far the runs are where none is done."""
    unfinished = result.unfinished()
    done = len(result.runs) - sum(unfinished.values())
    if done or not unfinished:
        return f"{done}" if not unfinished else f"{done} of {len(result.runs)}"
    if len(unfinished) == 1:
        return next(iter(unfinished))
    return ", ".join(f"{count} {word}" for word, count in unfinished.items())


def of_published(published: Published | None) -> str:
    """A published FID as the paper prints it; the protocol stands below the table."""
    if published is None or published.fid is None:
        return NOTHING
    if published.spread is not None:
        return f"{published.fid:.3f} ± {published.spread:.3f}"
    return f"{published.fid:.3f}" if published.protocol == PAPER else f"{published.fid:g}"


def of_parameters(result: CellResult) -> str:
    """Millions of parameters of G, D and both."""
    found = result.parameters()
    if found is None:
        return NOTHING
    return " + ".join(f"{count / 1e6:.3f}" for count in found) + f" = {sum(found) / 1e6:.3f}"


def of_seconds(result: CellResult) -> str:
    found = result.seconds()
    return NOTHING if found is None else of_spread(found, "seconds", len(result.runs))


def of_claim(judged: Judged) -> str:
    """``holds: 2C below Eq. 7 (CIFAR10; Fréchet distance 10.6 ± 0.3 (3) against 11.9 ± 0.1 (3),
    difference -1.3, 95% interval -2.0 to -0.6)``."""
    score = judged.claim.score
    what = title(score) + ("" if judged.claim.at == "best" else " at the end")
    numbers = f"{of_spread(judged.lower, score)} against {of_spread(judged.than, score)}"
    where = f"{judged.row}; " if judged.row else ""
    return f"{judged.verdict}: {judged.claim.says} ({where}{what} {numbers}{_difference(judged)})"


def _difference(judged: Judged) -> str:
    if judged.difference is not None:
        found = judged.difference
        mean, low, high = (
            number(value, judged.claim.score) for value in (found.mean, found.low, found.high)
        )
        return f", difference {mean}, {CONFIDENCE:.0%} interval {low} to {high}"
    if judged.lower is None or judged.than is None:
        return ""
    return ", and a single run shows no spread"


def heading(results: Results) -> str:
    return f"{results.record.study.title}, at scale {results.record.scale}"


def scale_line(results: Results) -> str:
    """What everything that a study writes says of its scale."""
    return f"Scale {results.record.scale}: {results.record.study.scales[results.record.scale].note}"


def legend(results: Results) -> list[str]:
    """What a reader has to know of the numbers: protocols, machine, what is not in them."""
    lines = [
        f"ours: {title(results.main_score)}, as mean ± sample standard deviation (number of runs), "
        "at each run's best evaluation and at its last",
        "the best evaluation is that of the lowest Fréchet distance, for all scores; where no "
        "distance was measured, it is the last",
    ]
    lines += _score_lines(results)
    lines += _published_lines(results)
    lines += [f"our protocol: {line}" for line in _protocols(results)]
    lines += _probe_lines(results)
    lines += [f"made on: {line}" for line in _machines(results)]
    return lines + _unfinished_lines(results)


def _score_lines(results: Results) -> list[str]:
    """What the short titles of scores stand for."""
    said = [f"{short_title(score)}: {title(score)}" for score in results.scores if score in SHORT]
    return ["; ".join(said)] if len(results.scores) > 1 and said else []


def _published_lines(results: Results) -> list[str]:
    published = [
        (found.cell, found.cell.published)
        for found in results.cells
        if found.cell.published is not None
    ]
    lines: dict[str, list[str]] = {}
    for cell, each in published:
        lines.setdefault(each.protocol, []).append(cell.label)
    said = []
    for protocol, labels in lines.items():
        whose = "" if len(labels) == max(map(len, lines.values())) else f" of {'; '.join(labels)}"
        said.append(f"published FID{whose}: protocol {protocol}, best evaluation of a run")
    said += [f"{cell.label}: {each.note}" for cell, each in published if each.note]
    if any(each.seconds is not None for _, each in published):
        said.append(
            "ours s/iteration: the median over a run's log, beside whatever else its machine did"
        )
    if published and results.done and not as_published(results):
        said.append(
            "Ours and the published numbers are of different scales or protocols: compare their "
            "order, not their values"
        )
    return said


def as_published(results: Results) -> bool:
    """Whether every run was trained at full scale and evaluated in Inception's features.

    The protocol's other settings are those of the scale, and stand below the table.
    """
    return results.record.scale == "full" and all(
        _of(run.reading.record, "protocol", "extractor").get("extractor") == "inception"
        for run in results.done
    )


def _protocols(results: Results) -> list[str]:
    return distinct_lines(_protocol(r.reading.record) for r in results.done if r.reading.record)


def _protocol(record: dict[str, Any]) -> str:
    protocol, counts = _of(record, "protocol"), _of(record, "counts")
    extractor, data = _of(protocol, "extractor"), _of(protocol, "data")
    features = f"{extractor.get('extractor')} features in {extractor.get('precision', 'float32')}"
    if extractor.get("resize"):
        features += f", {extractor['resize']} resize"
    weights = "averaged weights" if _of(record, "context").get("ema") else "weights as they are"
    rounded = "" if protocol.get("rounding", True) else ", not rounded to 8 bits"
    lines = [
        features,
        f"{counts.get('generated', 0):,} generated images (labels {protocol.get('labels')}"
        f"{rounded}) against {counts.get('reference', 0):,} of {data.get('name')} "
        f"{data.get('split')}",
        f"{weights}, {protocol.get('batch_norm')} batch norm",
    ]
    if fitted := counts.get("probe_fitted"):
        lines.append(f"classes by a linear probe fitted to {fitted:,} real images")
    return "; ".join(lines)


def _probe_lines(results: Results) -> list[str]:
    """How often the probe is right on real images: what a class accuracy has to be held against."""
    right: dict[str, list[float]] = {}
    for run in results.done:
        value = _of(run.reading.record, "values").get("real_class_accuracy")
        if value is not None:
            right.setdefault(run.run.data, []).append(value)
    return [
        f"on real images of {data} the probe is right on {min(values):.3f}"
        + ("" if max(values) - min(values) < 5e-4 else f" to {max(values):.3f}")
        for data, values in right.items()
    ]


def _machines(results: Results) -> list[str]:
    return distinct_lines(
        _machine(r.reading.environment) for r in results.done if r.reading.environment
    )


def _machine(environment: dict[str, Any]) -> str:
    versions = _of(environment, "packages")
    name = environment.get("device_name")
    device = f"{name} ({environment.get('processor')})" if name == "CPU" else name
    threads = environment.get("num_threads")
    parts = [
        str(device),
        f"{threads} thread" + ("" if threads == 1 else "s") + " per run",
        f"{environment.get('precision')}",
        f"Python {environment.get('python')}",
        *(f"{package} {version}" for package, version in versions.items()),
    ]
    if (processes := environment.get("world_size", 1)) != 1:
        parts.insert(1, f"{processes} processes")
    return ", ".join(parts)


def _unfinished_lines(results: Results) -> list[str]:
    runs = {run.run.name: run for cell in results.cells for run in cell.runs if not run.done}
    if not runs:
        return []
    words = [run.word for run in runs.values()]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    lines = [f"not in these numbers: {counts}"]
    failed = [run for run in runs.values() if run.word == "failed"]
    return lines + [f"failed {run.run.name}: {run.state.detail}" for run in failed]


def _of(mapping: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The mapping at ``keys``; an empty one where a record lacks it."""
    for key in keys:
        found = mapping.get(key)
        mapping = found if isinstance(found, dict) else {}
    return mapping
