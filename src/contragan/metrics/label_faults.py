"""What is wrong between labels and images, in sentences, the gravest first."""

from __future__ import annotations

import numpy as np

from contragan.core.words import joined
from contragan.metrics.findings import MOST_LISTED, Finding, Kind, in_short
from contragan.metrics.label_agreement import ClassFidelity
from contragan.metrics.label_verdict import Merged


def label_faults(fidelity: ClassFidelity) -> list[Finding]:
    """What is wrong between labels and images."""
    verdict, classes = fidelity.verdict, len(fidelity.class_names)
    found: list[Finding] = []
    if verdict.permutation:
        found.append(Finding("permuted", _permuted(fidelity)))
    if verdict.merged:
        groups = in_short((_merged(fidelity, group) for group in verdict.merged), "; ")
        # One class for more than half of all: the generator has collapsed, whatever its labels.
        most = max(len(group.classes) for group in verdict.merged)
        kind: Kind = "collapsed" if 2 * most > classes else "merged"
        found.append(Finding(kind, f"Classes are merged: {groups}."))
    lost = verdict.lost
    if verdict.confused and (2 * len(lost) >= classes or not found):
        found.append(Finding("confused", _confused(fidelity)))
    elif lost:
        listed = in_short((_lost(fidelity, index) for index in lost), "; ")
        found.append(Finding("lost", f"{_classes(len(lost), classes)} lost: {listed}."))
    if fidelity.missing:
        found.append(Finding("missing", _missing(fidelity)))
    return found


def _permuted(fidelity: ClassFidelity) -> str:
    names, shares, moved = fidelity.class_names, fidelity.shares, fidelity.verdict.permutation
    listed = in_short(
        f"{names[source]} shows {names[target]} ({shares[source, target]:.0%})"
        for source, target in moved.items()
    )
    return (
        f"The generator has permuted {len(moved)} of its {len(names)} classes: {listed}. "
        f"{fidelity.accuracy:.1%} of the images agree with their labels and "
        f"{fidelity.relabelled_accuracy:.1%} would after relabelling. Sample quality and Fréchet "
        "distance do not see this."
    )


def _merged(fidelity: ClassFidelity, group: Merged) -> str:
    names, shares = fidelity.class_names, fidelity.shares[:, group.shown]
    members = group.classes[:MOST_LISTED]
    more = len(group.classes) - len(members)
    listed = [names[index] for index in members] + ([f"{more} more"] if more else [])
    seen = ", ".join(f"{shares[index]:.0%}" for index in members)
    both = "both" if len(group.classes) == 2 else "all"
    return f"{joined(listed)} {both} show {names[group.shown]} ({seen} of their images)"


def _lost(fidelity: ClassFidelity, index: int) -> str:
    names, row = fidelity.class_names, fidelity.shares[index]
    order = [other for other in np.argsort(-row, kind="stable") if other != index and row[other]]
    instead = ", ".join(f"{names[other]} {row[other]:.0%}" for other in order[:3])
    return (
        f"{names[index]} ({row[index]:.0%} of its images show it, where "
        f"{fidelity.real_recall[index]:.0%} of real ones do; the probe sees {instead})"
    )


def _confused(fidelity: ClassFidelity) -> str:
    names, own, lost = fidelity.class_names, fidelity.class_accuracy, fidelity.verdict.lost
    listed = in_short(f"{names[index]} ({own[index]:.0%} show it)" for index in lost)
    by_class = f" {_classes(len(lost), len(names))} lost: {listed}." if lost else ""
    return (
        f"The labels hardly decide what is drawn: {fidelity.accuracy:.1%} of the images agree with "
        f"their labels, where the probe is right on {fidelity.real_accuracy:.1%} of real images."
        f"{by_class} Sample quality and Fréchet distance do not see this."
    )


def _missing(fidelity: ClassFidelity) -> str:
    names, missing = fidelity.class_names, fidelity.missing
    shown = fidelity.confusion.sum(0) / fidelity.confusion.sum()
    real = fidelity.real_confusion.sum(0) / fidelity.real_confusion.sum()
    listed = in_short(
        f"{names[index]} ({shown[index]:.1%} of the images, real {real[index]:.1%})"
        for index in missing
    )
    return f"{_classes(len(missing), len(names))} hardly ever drawn: {listed}."


def _classes(count: int, total: int) -> str:
    return f"{count} of {total} classes {'is' if count == 1 else 'are'}"
