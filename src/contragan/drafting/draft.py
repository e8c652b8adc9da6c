"""From images and a number of hours to a recipe: what is chosen, in which order, and why."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from rich.console import Console

from contragan.core.console import note, progress_bar
from contragan.core.devices import find_device
from contragan.core.errors import UserError
from contragan.core.resolution import Rectangle, Resolution, height_width, spelled
from contragan.core.words import duration
from contragan.data.splits import unpack
from contragan.drafting.explanation import ENOUGH, lines, reasons
from contragan.drafting.measure import Cost, cost, feature_seconds
from contragan.drafting.mirror import Mirroring, mirroring
from contragan.drafting.request import USUAL, DraftRequest
from contragan.drafting.settings import FEW_IMAGES, Draft, widths
from contragan.drafting.survey import Survey, survey
from contragan.features.extractor import FeatureExtractor
from contragan.features.networks import efficientnet_lite0
from contragan.inspection.aspect import rectangle
from contragan.inspection.found import find
from contragan.inspection.labels import MOST_WORK
from contragan.models.base import check_resolution
from contragan.models.residual import LAYOUTS

SMALL, FULL = 128, 224
"""Sides at which EfficientNet sees images here, and in evaluations."""

MANY, MOST = 20_000, 200_000
"""Iterations that a wider network should get, and the most."""

FEWEST = 50
"""Iterations below which no recipe is written."""

SHARE = 0.93
"""Share of the hours that is planned for: grids, checkpoints and a busy machine take the rest."""

SMALL_SHARE = 0.05
"""Share of the images that may be smaller than the resolution, and are enlarged."""

STARTING = 25.0
"""Seconds until the first iteration, beside decoding."""

EVALUATED = 0.1
"""Share of the time that generated images of all evaluations may take, and real ones as much."""

LEAST_EVALUATED, LEAST_OF_EACH = 200, 10
"""Generated images below which a score says nothing, in all and of each class."""

UNBALANCED = 3
"""How many times as many images the largest class has as the smallest, from which on all classes
are generated alike often."""


@dataclass(frozen=True)
class Drafted:
    """A draft with what it costs: seconds in all, bytes of memory and of disk; and what to say.

    A training stops at the ``unreadable`` files, unless it is told to leave them out.
    """

    draft: Draft
    seconds: float
    memory: int
    disk: int
    lines: tuple[str, ...]
    unreadable: int = 0


def draft(request: DraftRequest, console: Console) -> Drafted:
    """Look at the images, measure this machine, and decide; writes nothing.

    Raises:
        UserError: no images, too little time, or a resolution that cannot be had.
    """
    request.check()
    if request.resolution is not None:
        try:
            check_resolution("recipe", request.resolution, tuple(LAYOUTS))
        except ValueError as error:
            raise UserError(f"--resolution {request.resolution}: {error}") from error
    unpack(request.path, console)
    found = find(request.path)
    with progress_bar(console) as progress:
        seen = survey(found, partial(progress, "looking at images"))
        for line in seen.lines():
            note(console, line)
        sizes = _sizes(seen, request)
        mirror = mirroring(
            found, _features(SMALL), SMALL, partial(progress, "asking whether to mirror")
        )
        each = feature_seconds(_features(FULL), sizes[0])
        return _decide(request, seen, mirror, each, sizes, partial(progress, "measuring steps"))


def _features(side: int) -> FeatureExtractor:
    return efficientnet_lite0(device=find_device("auto"), input_size=side)


def _sizes(seen: Survey, request: DraftRequest) -> list[Resolution]:
    """Resolutions to consider, the largest first."""
    wanted = request.resolution
    largest = int(seen.sides.max())
    if wanted is not None:
        if seen.large_enough(wanted) < 0.5:
            share = seen.large_enough(wanted)
            raise UserError(
                f"--resolution {wanted}: only {share:.0%} of the images have sides of {wanted} "
                f"pixels or more, the largest {largest}: ask for less"
            )
        return [wanted]
    usual: list[Resolution] = [*USUAL]
    if (shape := seen.shape) is not None:
        usual = [s for side in USUAL if (s := rectangle(shape, side)) is not None] + usual
    fit = [size for size in usual if seen.large_enough(size) >= 1 - SMALL_SHARE]
    if any(isinstance(size, Rectangle) for size in fit):
        fit = [size for size in fit if isinstance(size, Rectangle)]
    if not fit:
        raise UserError(
            f"{1 - seen.large_enough(min(USUAL)):.0%} of the images are smaller than "
            f"{min(USUAL)} pixels, the least that is trained at: enlarge them"
        )
    return [size for size in fit if max(height_width(size)) >= 32] or fit


def _decide(
    request: DraftRequest,
    seen: Survey,
    mirror: Mirroring,
    each: float,
    sizes: list[Resolution],
    progress: Callable[[int, int], None],
) -> Drafted:
    """Measure, choose, and estimate; the features of an image take ``each`` seconds."""
    available = SHARE * 3600 * request.hours - STARTING
    base = _with_evaluation(_base(request, seen, mirror, sizes[0]), seen, available, each)
    scored = (base.evaluations * base.num_images + _real_images(base, seen)) * each
    seconds = max(available - scored, 0.25 * available)
    final, chosen = _network(base, sizes, seconds, len(seen.class_names), progress)
    if final.iterations < FEWEST:
        needed = (STARTING + scored + FEWEST * chosen.seconds) / SHARE / 3600
        needed = math.ceil(100 * needed) / 100
        raise UserError(
            f"--hours {request.hours:g} are {final.iterations} iterations of {chosen.seconds:.2g} "
            f"s here, too few to learn from: give at least --hours {needed:g}, or a smaller "
            "--resolution"
        )
    spent = STARTING + scored + final.iterations * chosen.seconds
    final = replace(final, enlarge=seen.large_enough(final.resolution) < 1)
    final = replace(final, reasons=reasons(final, seen, mirror, request, chosen))
    told = lines(final, seen, mirror, request, chosen)
    if spent > 3600 * request.hours:
        told.append(f"note: longer than asked for: evaluations alone take {duration(scored)} here")
    pixels = seen.num_train * math.prod(height_width(final.resolution)) * final.image_channels
    memory, disk = chosen.memory + pixels, chosen.disk + pixels
    return Drafted(final, spent, memory, disk, tuple(told), seen.unreadable)


def _network(
    base: Draft,
    sizes: list[Resolution],
    seconds: float,
    num_classes: int,
    progress: Callable[[int, int], None],
) -> tuple[Draft, Cost]:
    """The largest size and the widest network that get enough iterations in ``seconds``, measured.

    Raises:
        UserError: not even the narrowest of the smallest fits in memory.
    """
    measured: dict[tuple[Resolution, int], Cost | None] = {}
    total = sum(len(widths(size)) for size in sizes)

    def of(size: Resolution, channels: int) -> Cost | None:
        if (size, channels) not in measured:
            progress(len(measured), total)
            trial = replace(base, resolution=size, channels=channels)
            measured[size, channels] = cost(trial.recipe(), num_classes)
        return measured[size, channels]

    def iterations(size: Resolution, channels: int) -> float:
        found = of(size, channels)
        return 0.0 if found is None else seconds / found.seconds

    size = next((size for size in sizes if iterations(size, widths(size)[0]) >= ENOUGH), sizes[-1])
    channels = widths(size)[0]
    for wider in widths(size)[1:]:
        if iterations(size, wider) < MANY:
            break
        channels = wider
    progress(total, total)
    chosen = of(size, channels)
    if chosen is None:
        raise UserError(
            f"even {spelled(size)} with {channels} channels does not fit in this machine's memory"
        )
    count = _rounded(min(iterations(size, channels), MOST))
    return replace(base, resolution=size, channels=channels, iterations=count), chosen


def _rounded(count: float) -> int:
    """The number with its first two digits, so that it is easily read."""
    unit = 10 ** max(len(str(int(count))) - 2, 0)
    rounded: int = int(count) // unit * unit
    return rounded


def _base(request: DraftRequest, seen: Survey, mirror: Mirroring, size: Resolution) -> Draft:
    batch = 64
    while batch > 8 and 2 * batch > seen.num_train:
        batch //= 2
    return Draft(
        data=request.path.resolve(),
        labelled=seen.labelled,
        resolution=size,
        channels=widths(size)[0],
        image_channels=1 if seen.grey else 3,
        mirror=mirror.safe,
        few_images=seen.num_train < FEW_IMAGES,
        batch_size=batch,
        evaluations=5 if request.hours >= 1 else 2,
        balanced=seen.labelled and int(seen.train.max()) >= UNBALANCED * int(seen.train.min()),
    )


def _with_evaluation(base: Draft, seen: Survey, seconds: float, each: float) -> Draft:
    """Evaluations that take about a fifth of the time at most, images at ``each`` seconds.

    Where time is short there are fewer of them, and then fewer images of each class.
    """
    affordable = int(EVALUATED * seconds / each)
    classes = len(seen.class_names)
    if seen.num_train > affordable:
        probe = min(max(affordable // 2, 20 * classes), 5000)
        base = replace(base, reference="test", probe_images=probe)
    least = max(LEAST_EVALUATED, LEAST_OF_EACH * classes)
    wanted = max(min(max(100 * classes, 1000), 5000), least)
    evaluations = min(base.evaluations, max(affordable // least, 1))
    return replace(
        base,
        evaluations=evaluations,
        num_images=min(wanted, max(affordable // evaluations, LEAST_EVALUATED)),
        class_scores=min(base.probe_images, seen.num_train) * classes <= MOST_WORK,
    )


def _real_images(base: Draft, seen: Survey) -> int:
    """Real images whose features the first evaluation takes."""
    if base.reference == "train":
        return seen.num_train
    probed = min(base.probe_images, seen.num_train) if base.judges_classes else 0
    return seen.num_test + probed
