"""Names of what a run's log records, for pages and figures: in which section, under which title."""

from __future__ import annotations

import re

from contragan.evaluation.record import EvaluationRecord, metric_title, plain_title

# (section, what belongs there, whether each quantity has a chart of its own); the first that fits.
_SECTIONS = (
    ("Distances", r"evaluation/.*distance", True),
    ("Class accuracy", r"evaluation/.*class_accuracy", False),
    ("Precision and recall", r"evaluation/(precision|recall|density|coverage)", False),
    ("Other scores", r"evaluation/", True),
    ("Authenticity accuracies", r".*authenticity", False),
    ("Singular values", r".*singular", False),
    ("Loss terms of D", r"d/", False),
    ("Loss terms of G", r"g/", False),
    ("Augmentation", r"augmentation/", True),
    ("Throughput", r".*per_second", True),
    ("Other records", r"", True),
)

SECTIONS = tuple(title for title, _, _ in _SECTIONS)
"""The sections in the order of a page."""


def section(name: str) -> tuple[str, bool]:
    """The section of a recorded quantity, and whether it has a chart of its own there."""
    return next((title, apart) for title, pattern, apart in _SECTIONS if re.match(pattern, name))


def is_part(name: str) -> bool:
    """Whether it is one number of a record of many, such as one layer's singular value."""
    return name.count("/") > 1 and not name.startswith("evaluation/")


def quantity_title(name: str, record: EvaluationRecord | None) -> str:
    """What a reader sees; ``record`` is one of the run's evaluations, whose features it names.

    >>> quantity_title("d/proxy_classification", None)
    'D: proxy classification'
    """
    if not name.startswith("evaluation/"):
        network, slash, term = name.partition("/")
        if slash and network in {"d", "g"}:
            return f"{network.upper()}: {term.replace('_', ' ')}"
        plain = name.removeprefix("stability/").replace("_", " ")
        return plain[:1].upper() + plain[1:]
    score = name.removeprefix("evaluation/")
    title = plain_title(score) if record is None else metric_title(record, score)
    return title[:1].upper() + title[1:]
