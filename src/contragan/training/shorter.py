"""Ways to a shorter training, as settings that fit the recipe at hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import Any

from contragan.core.errors import UserError
from contragan.core.resolution import height_width, scaled
from contragan.core.words import duration
from contragan.models.base import doublings, start
from contragan.models.dcgan import WIDTHS, DCGANGeneratorConfig, DCGANTrunkConfig
from contragan.models.residual import ResidualGeneratorSettings, ResidualTrunkSettings, layout
from contragan.recipes.schema import Recipe, dump_recipe, parse_recipe

TOO_LONG = 2 * 24 * 3600.0
"""Seconds beyond which ways to a shorter training are named."""

NARROWEST, SMALLEST = 16, 32
"""Channels and pixels below which no way leads; of images of up to 32 pixels, it may be half."""


@dataclass(frozen=True)
class Way:
    """One way: settings, and about how many seconds the training takes with them."""

    name: str
    settings: tuple[str, ...]
    seconds: float


def advice(ways: list[Way]) -> list[str]:
    """The warning that a training takes too long, as lines; a setting can be copied."""
    lines = [
        f"warning: that is more than {TOO_LONG / 86_400:.0f} days. Ctrl-C saves and stops. What "
        "makes a run shorter, with times that are estimated, not measured:"
    ]
    for way in ways:
        lines.append(f"  {way.name}, about {duration(way.seconds)}:")
        lines.append("    " + " ".join(f"--set {setting}" for setting in way.settings))
    return lines


def fewer_iterations(total: int, done: int, seconds: float) -> Way:
    """So many iterations, in two digits, as take no longer than that; ``seconds`` is what is left.

    ``done`` of the ``total`` are behind.
    """
    fitting = max(1, int((total - done) * TOO_LONG / seconds))
    digits = max(0, len(str(fitting)) - 2)
    fitting = fitting // 10**digits * 10**digits
    share = fitting / (total - done)
    setting = f"training.total_iterations={done + fitting}"
    return Way("fewer iterations", (setting,), seconds * share)


def ways_for(recipe: Recipe, resumed: bool, done: int, seconds: float) -> list[Way]:
    """Ways to a shorter run; one that goes on can only have fewer iterations."""
    if resumed:
        return [fewer_iterations(recipe.training.total_iterations, done, seconds)]
    return ways_out(recipe, seconds)


def ways_out(recipe: Recipe, seconds: float) -> list[Way]:
    """Fewer iterations, narrower networks and smaller images, where the recipe allows for each.

    Of widths and sizes it is the largest that takes no longer than two days, or the fastest. Times
    are ``seconds``, which this recipe takes, times what :func:`work` says.
    """
    ways = [fewer_iterations(recipe.training.total_iterations, 0, seconds)]
    now = work(recipe)
    if now is None:
        return ways
    for name, candidates in (
        ("narrower networks", narrower(recipe)),
        ("smaller images", smaller(recipe)),
    ):
        best: Way | None = None
        for settings in candidates:
            try:
                other = parse_recipe(dump_recipe(recipe), "", list(settings))
            except UserError:  # does not fit the other settings
                continue
            way = Way(name, settings, seconds * (work(other) or now) / now)
            if way.seconds < (best.seconds if best else seconds):
                best = way
            if way.seconds <= TOO_LONG:
                break
        if best is not None:
            ways.append(best)
    return ways


def narrower(recipe: Recipe) -> Iterator[tuple[str, ...]]:
    """Settings of narrower networks, the widest first."""
    widths = [getattr(part, "channels", 0) for part in (recipe.generator, recipe.discriminator)]
    seen = {tuple(widths)}
    for share in (0.75, 0.5, 0.25):
        less = tuple(min(width, max(8, int(width * share) // 8 * 8)) for width in widths)
        if less not in seen and max(less) >= NARROWEST and max(less) < max(widths):
            seen.add(less)
            yield f"generator.channels={less[0]}", f"discriminator.channels={less[1]}"


def smaller(recipe: Recipe) -> Iterator[tuple[str, ...]]:
    """Settings of smaller images, the largest first, with what has to change beside the size."""
    resolution = recipe.data.resolution
    shorter = min(height_width(resolution))
    for share in (Fraction(3, 4), Fraction(1, 2), Fraction(1, 4)):
        size = scaled(resolution, share)
        if size is None or min(height_width(size)) < min(SMALLEST, shorter // 2):
            continue
        settings = [f"data.resolution={size}"]
        blocks = doublings(size)
        fewer = doublings(resolution) - blocks
        latent: Any = recipe.generator.latent_dim
        if recipe.generator.kind == "biggan" and latent % (blocks + 1):
            settings.append(f"generator.latent_dim={latent // (blocks + 1) * (blocks + 1)}")
        after = getattr(recipe.generator, "attention_after_block", None)
        if after is not None and after > blocks - 1:  # not on the whole image
            settings.append(f"generator.attention_after_block={blocks - 1}")
        after = getattr(recipe.discriminator, "attention_after_block", None)
        if after is not None and fewer and after > 1:
            settings.append(f"discriminator.attention_after_block={max(1, after - fewer)}")
        yield tuple(settings)


VALUE = 500
"""Multiplications that take about as long as what is done to one value of a feature map.

Chosen by ten changes of width, size and attention in three recipes, measured on two cores in bf16:
their times differ from what is estimated by 15% in the mean, and by 38% at most.
"""


def work(recipe: Recipe) -> float | None:
    """About how long an iteration takes for each image of its batch, in multiplications.

    Those of convolutions in blocks count, and :data:`VALUE` for each value that these and attention
    make, which weighs more the narrower networks are. A gradient takes twice as long as the pass
    that it is of. D sees real and generated images in each of its updates, in which G runs without
    a gradient. None for networks of the user's own.
    """
    g, d = _generator_work(recipe), _trunk_work(recipe)
    if g is None or d is None:
        return None
    return recipe.training.discriminator_steps * (g + 2 * 3 * d) + 3 * g + 2 * d


def _generator_work(recipe: Recipe) -> float | None:
    generator, resolution = recipe.generator, recipe.data.resolution
    area, count, values = prod(start(resolution)), 0.0, 0.0
    if isinstance(generator, DCGANGeneratorConfig):
        for i, o in pairwise(WIDTHS[doublings(resolution)]):
            count += area * 16 * i * o
            area *= 4
            values += area * o
    elif isinstance(generator, ResidualGeneratorSettings):
        of = layout(resolution)
        for i, o in zip(of.generator_in, of.generator_out, strict=True):
            count += area * (9 * i * o + i * o + 4 * 9 * o * o)
            area *= 4
            values += area * 3 * o
    else:
        return None
    width, after = generator.channels, getattr(generator, "attention_after_block", None)
    looked_at = 0 if after is None else prod(start(resolution)) * 4**after
    return count * width**2 + VALUE * (values * width + _attention(looked_at))


def _trunk_work(recipe: Recipe) -> float | None:
    trunk, resolution = recipe.discriminator, recipe.data.resolution
    area = prod(height_width(resolution))
    first, count, values = recipe.data.channels / getattr(trunk, "channels", 1), 0.0, 0.0
    after = getattr(trunk, "attention_after_block", None)
    looked_at = 0
    if isinstance(trunk, DCGANTrunkConfig):
        outs = WIDTHS[doublings(resolution)][:0:-1]
        for i, o in zip([first, *outs[:-1]], outs, strict=True):
            count += area * 9 * i * o + area // 4 * 16 * o * o
            values += area * o + area // 4 * o
            area //= 4
    elif isinstance(trunk, ResidualTrunkSettings):
        of = layout(resolution)
        for block, (i, o, down) in enumerate(
            zip([first, *of.trunk_out[:-1]], of.trunk_out, of.downsample, strict=True), 1
        ):
            halved = area // 4 if down else area
            count += area * 9 * i * o + halved * (9 * o * o + i * o)
            values += area * o + halved * 2 * o
            area = halved
            if block == after:
                looked_at = area
    else:
        return None
    return count * trunk.channels**2 + VALUE * (values * trunk.channels + _attention(looked_at))


def _attention(positions: int) -> float:
    """Of an attention map: each position looks at a quarter of them.

    Five of its values cost as much as one of a feature map, since they are never written out.
    """
    return positions * positions / 4 / 5
