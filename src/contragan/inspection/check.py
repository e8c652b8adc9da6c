"""A whole check: find the images, decode each once, compare them, judge their labels."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from contragan.core.console import note, progress_bar
from contragan.core.devices import find_device
from contragan.core.errors import UserError
from contragan.core.memory import fits_in_memory
from contragan.core.words import images_of
from contragan.data.splits import unpack
from contragan.data.unreadable import told
from contragan.features.networks import efficientnet_lite0
from contragan.inspection import doubts, faults, shapes
from contragan.inspection.copies import Copies, find_copies
from contragan.inspection.findings import Check, ClassCount, Finding
from contragan.inspection.found import Found, find
from contragan.inspection.images import Images, examine_all, side_for
from contragan.inspection.labels import Verdict, judge
from contragan.inspection.sheet import draw_sheet

_ORDER = {"serious": 0, "look": 1, "note": 2}


@dataclass(frozen=True)
class CheckRequest:
    """The data's ``path``; ``sheet`` is where the contact sheet goes, None for nowhere."""

    path: Path
    sheet: Path | None = None
    device: str = "auto"


def check_data(request: CheckRequest, console: Console) -> Check:
    """Look at all images of a data set, showing progress; writes the contact sheet.

    Raises:
        UserError: the images are not there, not laid out as expected, or not one can be read.
    """
    begun = time.monotonic()
    unpack(request.path, console)
    found = find(request.path)
    note(console, f"{len(found):,} images in {found.path}: looking at each")
    side = side_for(found)
    extractor = efficientnet_lite0(device=find_device(request.device), input_size=side)
    if not fits_in_memory(3 * 4 * extractor.dim * len(found), 0.8):
        raise UserError(
            f"{found.path} holds {len(found):,} images, too many to compare in this machine's "
            "memory: check some of its classes at a time"
        )
    with progress_bar(console) as progress:
        images = examine_all(found, extractor, side, partial(progress, "looking at images"))
        if not images.facts:
            raise UserError(
                f"no image of {found.path} can be read; the first is {told(images.failures[0])}"
            )
        labels = found.labels[images.rows]
        copies = find_copies(images, labels, partial(progress, "comparing images"))
        verdict = judge(
            images.features,
            labels,
            copies.groups,
            len(found.class_names),
            partial(progress, "checking labels"),
        )
        check = _check(found, images, copies, verdict)
        if request.sheet is not None:
            draw_sheet(found, check, partial(progress, "drawing the sheet")).save(request.sheet)
    return replace(check, seconds=time.monotonic() - begun)


def _check(found: Found, images: Images, copies: Copies, verdict: Verdict | None) -> Check:
    labels, is_test = found.labels[images.rows], found.is_test[images.rows]
    count = len(found.class_names)
    train, test = (np.bincount(labels[is_test == which], minlength=count) for which in (0, 1))
    known = doubts.known_shares(verdict, labels, count)
    findings: list[Finding] = [
        *faults.file_findings(found, images),
        *doubts.copy_findings(found, images, copies),
        *doubts.label_findings(found, images, verdict, train + test),
        *faults.class_findings(found, train, test),
        *faults.blank_finding(found, images),
        *shapes.crop_finding(found, images),
        *shapes.colour_finding(images),
    ]
    for remark, number in images.remarks.items():
        findings.append(
            Finding("not_shown_whole", "note", f"{images_of(number)} {remark}.", "", number)
        )
    return Check(
        path=str(found.path),
        layout=found.layout,
        held_out=found.held_out,
        classes=tuple(
            ClassCount(name, int(train[k]), int(test[k]), known[k])
            for k, name in enumerate(found.class_names)
        ),
        summary=tuple(shapes.summary(images)),
        facts=shapes.facts(images),
        findings=tuple(sorted(findings, key=lambda one: _ORDER[one.level])),
        seconds=0.0,
        notes=found.notes,
    )
