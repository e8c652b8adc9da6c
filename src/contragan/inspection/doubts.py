"""Findings about copies, and about images that look like another class than theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contragan.core.words import images_of
from contragan.data.base import Labels
from contragan.inspection.copies import Copies
from contragan.inspection.findings import Finding, Level
from contragan.inspection.found import Found
from contragan.inspection.images import Images
from contragan.inspection.labels import Verdict, obstacle
from contragan.inspection.shapes import percent

ENOUGH = 100
"""Judged images from which the probe's accuracy says something."""

BARELY = 1.3
"""Times chance up to which the probe cannot tell the classes apart."""


def copy_findings(found: Found, images: Images, copies: Copies) -> list[Finding]:
    """Copies of one picture, the worst kind first: in two classes, in training and test, and other.

    A group or pair counts once, as the worst that it is.
    """
    labels, is_test = found.labels[images.rows], found.is_test[images.rows]
    kinds: dict[tuple[bool, str], list[list[int]]] = {}
    for exact, groups in ((True, copies.exact), (False, [list(pair) for pair in copies.near])):
        for group in groups:
            if len(set(labels[group].tolist())) > 1:
                kind = "classes"
            elif len(set(is_test[group].tolist())) > 1:
                kind = "splits"
            else:
                kind = "same"
            kinds.setdefault((exact, kind), []).append(group)
    findings = []
    for exact in (True, False):
        for kind in ("classes", "splits", "same"):
            if groups := kinds.get((exact, kind), []):
                findings.append(_copies(found, images, groups, exact, kind))
    if not copies.whole:
        findings.append(
            Finding(
                "near_copies_unfinished",
                "note",
                "So many images are alike that the search for near copies was ended.",
            )
        )
    return findings


def _copies(
    found: Found, images: Images, groups: Sequence[list[int]], exact: bool, kind: str
) -> Finding:
    one = len(groups) == 1
    what = "1 picture" if one else f"{len(groups):,} pictures"
    if not exact:
        what = "1 pair" if one else f"{len(groups):,} pairs"
        what += " of near copies"
    verb, lie = ("is", "lies") if one else ("are", "lie")
    held_out = ", once the test images are held out" if found.held_out else ""
    splits = f"{what} {verb} in training and in test{held_out}."
    words = {
        (True, "classes"): f"{what} {verb} in two classes.",
        (True, "splits"): splits,
        (True, "same"): f"{what} {verb} there more than once in one class.",
        (False, "classes"): f"{what} {lie} in two classes.",
        (False, "splits"): splits,
        (False, "same"): f"{what} {lie} in one class.",
    }
    advice = {
        "classes": "Keep each picture in the class that it shows.",
        "splits": "Remove one of the two, or scores on test images will be too good.",
        "same": "A generator repeats what it sees often: keep one of each unless it is meant.",
    }
    names = {
        "classes": "copies_in_two_classes",
        "splits": "copies_in_train_and_test",
        "same": "copies",
    }
    level: Level = "serious" if exact and kind != "same" else "look"
    if not exact and kind == "same":
        level = "note"
    rows = [[int(images.rows[place]) for place in group] for group in groups]
    files = [[found.name(row) for row in group] for group in rows]
    return Finding(
        names[kind] if exact else f"near_{names[kind]}",
        level,
        words[exact, kind],
        advice[kind],
        len(groups),
        tuple((" = " if exact else " ~ ").join(group) for group in files),
        tuple(files),
        tuple(
            (row, name)
            for group, called in zip(rows, files, strict=True)
            for row, name in zip(group[:2], called[:2], strict=True)
        ),
    )


def label_findings(
    found: Found, images: Images, verdict: Verdict | None, train_and_test: Labels
) -> list[Finding]:
    """Images that look like another class, or classes that cannot be told apart at all."""
    labels = found.labels[images.rows]
    if len(found.class_names) < 2:
        return []
    if verdict is None:
        why = obstacle(labels, len(found.class_names))
        return [Finding("labels_not_checked", "note", f"Labels were not checked: {why}.")]
    right = float((verdict.likely == labels)[verdict.judged].mean())
    chance = float(train_and_test.max() / max(train_and_test.sum(), 1))
    if verdict.judged.sum() >= ENOUGH and right < BARELY * chance:
        return [_indistinct(right, chance)]
    return [_suspected(found, images, verdict)] if verdict.suspects else []


def _indistinct(right: float, chance: float) -> Finding:
    return Finding(
        "indistinct_classes",
        "serious",
        f"A classifier tells the classes apart no better than a guess: it is right on "
        f"{percent(right)}, always naming the largest class on {percent(chance)}.",
        "The labels may be mixed up, or the classes differ in what it cannot see.",
        1,
    )


def _suspected(found: Found, images: Images, verdict: Verdict) -> Finding:
    names = found.class_names
    suspects = verdict.suspects
    rows = images.rows[suspects].tolist()
    files = [found.name(row) for row in rows]
    given = [names[int(found.labels[row])] for row in rows]
    seen = [names[int(k)] for k in verdict.likely[suspects]]
    shares = [float(share) for share in verdict.confidence[suspects]]
    look = "looks" if len(suspects) == 1 else "look"
    return Finding(
        "suspected_labels",
        "look",
        f"{images_of(len(suspects))} {look} like another class than the one given.",
        "Look at them: some are mislabelled, others only unusual.",
        len(suspects),
        tuple(f"{file} looks like {name}" for file, name in zip(files, seen, strict=True)),
        tuple(
            {"file": file, "class": own, "looks_like": name, "probability": round(share, 4)}
            for file, own, name, share in zip(files, given, seen, shares, strict=True)
        ),
        tuple(
            (row, f"{own} → {name}\n{file}")
            for row, own, name, file in zip(rows, given, seen, files, strict=True)
        ),
    )


def known_shares(verdict: Verdict | None, labels: Labels, count: int) -> list[float | None]:
    """The share of each class that the probe knows; None for a class that was not judged."""
    if verdict is None:
        return [None] * count
    shares = verdict.accuracy(labels, count)
    return [None if np.isnan(share) else round(float(share), 4) for share in shares]
