"""Findings about files that cannot be read, classes that are too small, and unlike numbers."""

from __future__ import annotations

import numpy as np

from contragan.core.words import images_of, shortened
from contragan.data.base import Labels
from contragan.data.formats import HEIF_SUFFIXES, PICTURES
from contragan.data.rare import TESTED, TINY, TOO_FEW, UNEQUAL
from contragan.data.unreadable import told
from contragan.inspection.findings import Finding
from contragan.inspection.found import Found
from contragan.inspection.images import Images

BLANK = 2.0
"""Standard deviation of an image's sketch below which it shows nothing."""


def file_findings(found: Found, images: Images) -> list[Finding]:
    """Images that cannot be read, and pictures of formats that are not read here."""
    findings = []
    if images.failures:
        findings.append(
            Finding(
                "unreadable",
                "serious",
                f"{images_of(len(images.failures))} cannot be read.",
                "Replace or remove them; a training stops at them unless --skip-unreadable is "
                "given.",
                len(images.failures),
                tuple(told(one) for one in images.failures),
                tuple(
                    dict(zip(("file", "reason"), one.split("\t"), strict=False))
                    for one in images.failures
                ),
            )
        )
    lost = {suffix: count for suffix, count in found.unread.items() if suffix in PICTURES}
    if lost:
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in lost.items())
        heic = not HEIF_SUFFIXES.isdisjoint(lost)
        findings.append(
            Finding(
                "not_read",
                "serious",
                f"{images_of(sum(lost.values()))} of a format that is not read here: {kinds}.",
                ("To read HEIC: pip install pillow-heif. " if heic else "")
                + "Or save them as JPEG or PNG.",
                sum(lost.values()),
                (),
                tuple({"suffix": suffix, "files": count} for suffix, count in lost.items()),
            )
        )
    return findings


def blank_finding(found: Found, images: Images) -> list[Finding]:
    """Images that show next to nothing."""
    blank = np.flatnonzero(images.sketches.astype(np.float32).std(1) < BLANK).tolist()
    if not blank:
        return []
    rows = [int(images.rows[place]) for place in blank]
    names = [found.name(row) for row in rows]
    are = "is" if len(blank) == 1 else "are"
    return [
        Finding(
            "blank",
            "look",
            f"{images_of(len(blank))} {are} almost one colour.",
            "Look at them; data.value_range spreads values of more than 8 bits.",
            len(blank),
            tuple(names),
            tuple(names),
            tuple((row, name) for row, name in zip(rows, names, strict=True)),
        )
    ]


def class_findings(found: Found, train: Labels, test: Labels) -> list[Finding]:
    """Classes with few images, or with many more than others; ``train`` and ``test`` are counts."""
    every = train + test
    names = found.class_names
    if len(names) < 2:
        return [
            Finding(
                "one_class",
                "note",
                "There is a single class: enough for an unconditional GAN only.",
                "For classes, put the images into one folder per class.",
            )
        ]
    findings = [
        *_small(names, every, 0, TINY, serious=True),
        *_small(names, every, TINY, TOO_FEW, serious=False),
    ]
    low, high = int(every.argmin()), int(every.argmax())
    times = every[high] / max(int(every[low]), 1)
    if times >= UNEQUAL:
        findings.append(
            Finding(
                "imbalance",
                "look",
                f"{names[high]} has {times:,.0f} times as many images as {names[low]} "
                f"({int(every[high]):,} and {int(every[low]):,}).",
                "A generator draws rare classes worse; data.sampling=balanced draws all classes "
                "equally often.",
                1,
            )
        )
    untested = [name for name, count in zip(names, test.tolist(), strict=True) if count < TESTED]
    if untested:
        findings.append(
            Finding(
                "few_tested",
                "note",
                f"{_classes(len(untested))} fewer than {TESTED} test images: scores by class say "
                f"little of {shortened(untested, 4)}.",
                "A folder PATH/test/<class>/ of your own can hold more." if found.held_out else "",
                len(untested),
                (),
                tuple(untested),
            )
        )
    return findings


def _small(
    names: tuple[str, ...], every: Labels, least: int, below: int, *, serious: bool
) -> list[Finding]:
    """Classes with at least ``least`` images, and fewer than ``below``."""
    chosen = np.flatnonzero((every >= least) & (every < below))
    if not len(chosen):
        return []
    chosen = chosen[np.argsort(every[chosen], kind="stable")]
    told_of = [f"{names[k]} ({int(every[k]):,})" for k in chosen.tolist()]
    what = "too few to learn anything from" if serious else "so few that they tend to be repeated"
    advice = (
        "Add images, or leave the class out: --set data.classes=[...] names those to keep."
        if serious
        else "Train with augmentation (discriminator augmentation, ADA), and look at the copied "
        "share in the evaluation."
    )
    return [
        Finding(
            "tiny_classes" if serious else "small_classes",
            "serious" if serious else "look",
            f"{_classes(len(chosen))} fewer than {below} images, {what}: {shortened(told_of, 5)}.",
            advice,
            len(chosen),
            (),
            tuple({"class": names[k], "images": int(every[k])} for k in chosen.tolist()),
        )
    ]


def _classes(count: int) -> str:
    return "1 class has" if count == 1 else f"{count:,} classes have"
