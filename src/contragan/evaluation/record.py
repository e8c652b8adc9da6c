"""The result of an evaluation, as data and as a table."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from contragan.core.words import images_of, shortened
from contragan.evaluation.shape import check_whole
from contragan.metrics import Score
from contragan.metrics.registry import SCORES
from contragan.recipes.evaluation import in_todays_terms

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class EvaluationRecord:
    """Scores with everything they depend on; every field holds JSON values.

    ``values`` maps a metric's name to its score. ``warnings`` are sentences for the reader.
    ``class_fidelity`` and ``details`` hold what a single number cannot: per class, per pair.
    """

    values: dict[str, float]
    class_fidelity: dict[str, Any] | None
    protocol: dict[str, Any]
    counts: dict[str, int]
    seed: int
    context: dict[str, Any]
    versions: dict[str, str]
    warnings: tuple[str, ...]
    wall_seconds: float
    details: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The record as one JSON object, with ``"name": "evaluation"``."""
        fields = asdict(self)
        return {"name": "evaluation", **fields, "warnings": list(self.warnings)}

    def lines(self, step: int) -> list[dict[str, Any]]:
        """What a run's ``metrics.jsonl`` gets: each score with its unit, then the whole record."""
        scores = [
            {
                "step": step,
                "name": f"evaluation/{name}",
                "value": value,
                "unit": score_of(name).unit,
            }
            for name, value in self.values.items()
        ]
        return [*scores, {"step": step, **self.to_dict()}]

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> EvaluationRecord:
        """The inverse of :meth:`to_dict`; scores of an old record get the names of today.

        Raises:
            ValueError: it is not a whole record.
            TypeError: it lacks a field that every version wrote.
        """
        check_whole(fields)
        kept = {key: value for key, value in fields.items() if key in cls.__dataclass_fields__}
        kept["protocol"] = in_todays_terms(kept["protocol"])
        values = kept["values"]
        extractor = kept["protocol"]["extractor"]["extractor"]
        values = {todays_name(name, extractor): value for name, value in values.items()}
        return cls(**{**kept, "values": values, "warnings": tuple(kept["warnings"])})


def todays_name(score: str, extractor: str) -> str:
    """A score's name in this version; version 0.1.0 called every network's score after Inception.

    >>> todays_name("evaluation/inception_score", "pixels")
    'evaluation/classifier_score'
    """
    if extractor == "inception":
        return score
    return score.replace("inception_score", "classifier_score")


def versions() -> dict[str, str]:
    """Versions of what computed the scores."""
    found = {"python": platform.python_version()}
    for package in ("contragan", "torch", "numpy", "scipy"):
        found[package] = metadata.version(package)
    return found


def metric_title(record: EvaluationRecord, name: str) -> str:
    """A metric's name for a reader: only the published features and resize make it "FID"."""
    extractor, score = record.protocol["extractor"], score_of(name)
    if extractor["extractor"] == "inception" and score.published_title:
        resize, precision = _resize(extractor), extractor.get("precision", "float32")
        plain = (resize, precision) == ("tf-bilinear", "float32")
        return score.published_title + ("" if plain else f" ({resize}, {precision})")
    return score.title + (f" ({extractor['extractor']})" if score.names_features else "")


def plain_title(name: str) -> str:
    """A score's title whatever the features."""
    return score_of(name).title


def score_of(name: str) -> Score:
    """What its metric says of a score; a record may hold one of a metric that is not installed."""
    return SCORES.get(name) or Score(name, name.replace("_", " "))


def features_in_words(record: EvaluationRecord) -> str:
    """The extractor, how many features it gives, and how it got the images."""
    extractor = record.protocol["extractor"]
    facts = [str(extractor["extractor"])]
    if "dim" in extractor:
        facts.append(f"{extractor['dim']:,} dimensions")
    if extractor.get("resize"):
        size = extractor.get("input_size")
        facts.append(_resize(extractor) + (f" to {size} x {size}" if size else ""))
    facts.append(str(extractor.get("precision", "float32")))
    return ", ".join(facts)


def _resize(extractor: dict[str, Any]) -> str:
    resize = str(extractor.get("resize") or "unknown resize")
    unclamped = resize == "bicubic-antialias" and not extractor.get("clamped")
    return f"{resize} unclamped" if unclamped else resize


def table_rows(record: EvaluationRecord) -> list[tuple[str, str]]:
    """(title, value) of every score, then of the protocol's main facts."""
    rows = [(metric_title(record, name), f"{value:.4g}") for name, value in record.values.items()]
    counts, protocol = record.counts, record.protocol
    norm = protocol["batch_norm"]
    if norm == "standing":
        norm += f" ({protocol['standing_batches']} batches of {protocol['batch_size']})"
    elif norm == "batch":
        norm += f" ({protocol['batch_size']} images)"
    data = protocol["data"]
    split = "" if data["split"] == "given" else f" {data['split']}"
    drawn = f"labels: {protocol['labels']}"
    if not protocol.get("rounding", True):
        drawn += ", not rounded to 8 bits"
    rows += [
        ("features", features_in_words(record)),
        ("generated images", f"{counts['generated']} ({drawn})"),
        ("reference", f"{data['name']}{split}, {counts['reference']} images"),
        *([("classes", ", ".join(protocol["classes"]))] if "classes" in protocol else []),
        ("batch norm", norm),
        ("seed", str(record.seed)),
    ]
    rows += [(str(key), str(value)) for key, value in record.context.items()]
    return rows


def to_table(record: EvaluationRecord) -> Table:
    """A table for the terminal: scores, protocol, accuracy per class."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="evaluation", show_header=False, title_justify="left")
    for title, value in table_rows(record):
        table.add_row(Text(title), Text(value))
    fidelity = record.class_fidelity
    # Labels mean nothing to a generator that never saw them.
    if fidelity is not None and fidelity.get("conditional") is not False:
        table.add_row("accuracy per class", Text(accuracy_by_class(fidelity)))
    return table


def accuracy_by_class(fidelity: dict[str, Any], limit: int = 20) -> str:
    """Each class's accuracy and number of images; only the worst ones where there are many.

    Classes without real images to try the classifier on are named apart.
    """
    counts = [sum(row) for row in fidelity["confusion"]]
    classes = zip(fidelity["class_accuracy"].items(), counts, strict=True)
    known = [(name, value, count) for (name, value), count in classes if value is not None]
    on_real = fidelity.get("real_class_accuracy") or {}
    untried = [name for name, *_ in known if name in on_real and on_real[name] is None]
    ending = ""
    if 0 < len(untried) < len(known):
        known = [one for one in known if one[0] not in untried]
        ending = f"; too few real images to judge {shortened(untried)}"
    lead = ""
    if len(known) > limit:
        known = sorted(known, key=lambda item: item[1])[:10]
        lead = "worst: "
    if len({count for *_, count in known}) == 1:
        shown = ", ".join(f"{name} {value:.2f}" for name, value, _ in known)
        return f"{lead}{shown} ({images_of(known[0][2])} of each){ending}"
    shown = ", ".join(f"{name} {value:.2f} ({images_of(count)})" for name, value, count in known)
    return lead + shown + ending
