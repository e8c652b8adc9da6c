"""What was chosen for a recipe and why, in words: for its comments, and for the screen."""

from __future__ import annotations

from contragan.core.resolution import Rectangle, spelled
from contragan.core.words import counted, duration
from contragan.drafting.measure import Cost
from contragan.drafting.mirror import Mirroring
from contragan.drafting.request import DraftRequest
from contragan.drafting.settings import Draft
from contragan.drafting.survey import Survey
from contragan.inspection.aspect import shape_in_words

ENOUGH = 10_000
"""Iterations that a resolution should get; with less than half of them pictures are rough."""


def reasons(
    final: Draft, seen: Survey, mirror: Mirroring, request: DraftRequest, chosen: Cost
) -> dict[str, str]:
    """Why settings are what they are, by their paths: comments of the recipe."""
    each = f"{chosen.seconds:.2g} s per iteration here"
    found = {
        "data.resolution": _why_size(final, seen, request),
        "data.horizontal_flip": mirror.why,
        "generator.channels": f"{each}; wider networks draw better, and take longer",
        "training.total_iterations": f"what {request.hours:g} hours allow, evaluations included",
        "evaluation.num_images": _per_class(final.num_images, len(seen.class_names)),
    }
    if final.few_images:
        found["augmentation"] = f"{seen.num_train:,} images are few: D would learn them by heart"
    if final.reference == "test":
        found["evaluation.reference"] = "comparing with all training images would take long"
    if final.enlarge:
        found["data.enlarge"] = "some images are smaller than the resolution"
    if final.balanced:
        found["data.sampling"] = "classes differ in size: all are drawn and generated alike often"
    if final.labelled:
        found["conditioning"] = "Eq. 7, which keeps the classes apart (docs/methods.md)"
    return found


def _per_class(images: int, classes: int) -> str:
    if images < classes:
        return f"fewer than the {classes:,} classes, as evaluations take long here"
    return f"about {images // classes:,} per class"


def _why_size(final: Draft, seen: Survey, request: DraftRequest) -> str:
    if request.resolution is not None:
        return "asked for"
    if isinstance(final.resolution, Rectangle):
        assert seen.shape is not None
        shape = f"most images are about {shape_in_words(seen.shape)}"
        return f"{shape}, and {request.hours:g} hours allow no larger one; width x height"
    return f"the largest that {request.hours:g} hours and these images allow"


def lines(
    final: Draft, seen: Survey, mirror: Mirroring, request: DraftRequest, chosen: Cost
) -> list[str]:
    """The choices for people, one line each."""
    size = final.resolution
    why = _why_size(final, seen, request)
    flips = "on" if final.mirror else "off"
    kind = "none: there are enough images"
    if final.few_images:
        kind = "ADA" if final.mirror else "DiffAugment, which mirrors nothing"
        kind += f": {seen.num_train:,} images are few"
    told = [
        f"resolution    {spelled(size)}: {why}",
        f"width         {final.channels} channels in both networks: {chosen.seconds:.2g} s per "
        "iteration here",
        f"batch         {final.batch_size}",
        f"mirroring     {flips}: {mirror.why}",
        f"augmentation  {kind}",
        f"length        {final.iterations:,} iterations, "
        f"{counted(final.evaluations, 'evaluation')} of {final.num_images:,} images",
    ]
    if final.labelled:
        told.insert(3, "conditioning  2C loss with Eq. 7, which keeps the classes apart")
    if final.labelled and not final.judges_classes:
        told.append("scores        of classes are left out: so many would take long to tell apart")
    if final.balanced:
        told.append("classes       unlike in size: all are drawn and generated alike often")
    if final.enlarge:
        share = 1 - seen.large_enough(size)
        told.append(f"enlarged      {share:.1%} of the images are smaller than {size} pixels")
    if final.iterations < ENOUGH // 2:
        told.append(
            f"note: {final.iterations:,} iterations make rough pictures; "
            f"{ENOUGH:,} would take {duration(ENOUGH * chosen.seconds)}"
        )
    return told
