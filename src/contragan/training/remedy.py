"""What may help a training that has collapsed, from the kind of collapse and its recipe."""

from __future__ import annotations

from contragan.recipes.schema import Recipe
from contragan.training.guard import Finding

USUAL = {"discriminator": (2e-4, 1e-3), "generator": (5e-5, 5e-4)}
"""Lowest and highest learning rate of each network in the packaged recipes."""

FAR = 10.0
"""A learning rate is the likely cause where it is this many times beyond the usual ones."""


def remedy(found: Finding, recipe: Recipe) -> str:
    """A clause on what to change; it names the settings and their values in this recipe.

    >>> from contragan.recipes.schema import load_recipe
    >>> rate = "training.discriminator_optimizer.learning_rate"
    >>> recipe = load_recipe("digits/biggan", [f"{rate}=1.0"])
    >>> remedy(Finding("dead discriminator", 20, ""), recipe).partition(":")[0]
    'its learning rate is 1, and those of the packaged recipes are 0.0002 to 0.001'
    """
    if found.kind in {"dead discriminator", "useless discriminator"}:
        return _rate("discriminator", recipe) or (
            f"lower its learning rate ({_setting('discriminator')}, "
            f"{_value('discriminator', recipe):g} here); "
            "if that does not help, look at its regularizers and its normalization"
        )
    if found.kind == "saturated discriminator":
        steps = recipe.training.discriminator_steps
        fewer = f"fewer training.discriminator_steps ({steps} here), " if steps > 1 else ""
        return (
            f"it has run away from the generator: {fewer}a lower {_setting('discriminator')} "
            f"({_value('discriminator', recipe):g} here) or a higher {_setting('generator')} "
            f"({_value('generator', recipe):g} here)"
        )
    if found.kind == "identical images":
        return _rate("generator", recipe) or (
            f"lower its learning rate ({_setting('generator')}, "
            f"{_value('generator', recipe):g} here)"
        )
    rates = f"lower learning rates ({_value('discriminator', recipe):g} for D and "
    rates += f"{_value('generator', recipe):g} for G here)"
    more = "more images" if recipe.augmentation else "augmentation (augmentation.kind=diff_augment)"
    return f"{more}, or {rates}"


def _rate(network: str, recipe: Recipe) -> str | None:
    """What to do about a learning rate far beyond the usual ones."""
    (low, high), value = USUAL[network], _value(network, recipe)
    if low / FAR < value < high * FAR:
        return None
    near = high if value > high else low
    return (
        f"its learning rate is {value:g}, and those of the packaged recipes are {low:g} to "
        f"{high:g}: {'lower' if value > high else 'raise'} it, with --set "
        f"{_setting(network)}={near:g}"
    )


def _value(network: str, recipe: Recipe) -> float:
    config = getattr(recipe.training, f"{network}_optimizer")
    return float(config.learning_rate)


def _setting(network: str) -> str:
    return f"training.{network}_optimizer.learning_rate"
