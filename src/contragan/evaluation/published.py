"""A recipe's published score, shown beside ours only where the evaluation followed its protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from contragan.evaluation.record import EvaluationRecord
from contragan.recipes.evaluation import EvaluationConfig, named_protocol
from contragan.recipes.schema import Recipe

TEST_IMAGES = {"cifar10": 10_000, "tiny_imagenet": 10_000, "imagenet": 50_000}
"""How many test or validation images the published scores compare with, by kind of data."""

_PLAIN = ("reference", "batch_norm", "labels", "rounding")
_OF_FEATURES = ("resize", "precision")
_SELECTION = "best evaluation of a run"


def with_published(record: EvaluationRecord, recipe: Recipe) -> EvaluationRecord:
    """The record with its recipe's published score, and how the two protocols differ.

    As ``details["published"]``, where the recipe names a score and its protocol.
    """
    paper = recipe.reference
    if paper.published_fid is None or paper.published_protocol is None:
        return record
    facts = {
        "fid": paper.published_fid,
        "protocol": paper.published_protocol,
        "source": ", ".join(filter(None, (paper.paper, paper.table))),
        "selection": _SELECTION,
        "differences": protocol_differences(record, paper.published_protocol, recipe),
    }
    return replace(record, details={**record.details, "published": facts})


def protocol_differences(
    record: EvaluationRecord, protocol: str, recipe: Recipe
) -> dict[str, list[Any]]:
    """Settings in which an evaluation differs from a named protocol, each as [here, there].

    Settings are compared one by one: the name in the record does not matter.
    """
    asked = named_protocol(protocol)
    expected = _expected(asked, record, recipe)
    extractor = record.protocol["extractor"]
    found = {
        "features": extractor["extractor"],
        "resize": extractor["resize"],
        "precision": extractor["precision"],
        "generated images": record.counts["generated"],
        "reference images": record.counts["reference"],
        "averaged weights": record.context.get("ema"),
    }
    found |= {name: record.protocol[name] for name in _PLAIN}
    if found["features"] != expected["features"]:
        expected = {name: value for name, value in expected.items() if name not in _OF_FEATURES}
    return {name: [found[name], value] for name, value in expected.items() if found[name] != value}


def _expected(asked: EvaluationConfig, record: EvaluationRecord, recipe: Recipe) -> dict[str, Any]:
    images = TEST_IMAGES.get(recipe.data.kind, record.counts["reference"])
    return {
        "features": asked.features,
        "resize": asked.resize,
        "precision": asked.precision,
        "generated images": asked.num_images or images,
        "reference images": images,
        "averaged weights": recipe.training.ema is not None,
    } | {name: getattr(asked, name) for name in _PLAIN}


def published_line(record: EvaluationRecord) -> str | None:
    """One line on the published score: the score itself only under its own protocol."""
    facts = record.details.get("published")
    if facts is None:
        return None
    if not facts["differences"]:
        return (
            f"published FID: {facts['fid']} ({facts['source']}), protocol {facts['protocol']}, "
            f"{facts['selection']}"
        )
    differing = "; ".join(
        f"{name} {_shown(here)} instead of {_shown(there)}"
        for name, (here, there) in facts["differences"].items()
    )
    return (
        f"the published FID is of another protocol ({differing}): "
        f"--protocol {facts['protocol']} compares with it"
    )


def _shown(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
