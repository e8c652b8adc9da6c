"""What is advised for each kind of collapse, and that its settings are taken."""

from __future__ import annotations

import re

import pytest

from contragan.recipes.catalog import recipe_names
from contragan.recipes.schema import load_recipe
from contragan.training.guard import Finding, Kind
from contragan.training.remedy import USUAL, remedy

D = "training.discriminator_optimizer.learning_rate"
G = "training.generator_optimizer.learning_rate"


def said(kind: Kind, *settings: str) -> str:
    return remedy(Finding(kind, 100, ""), load_recipe("digits/biggan", [*settings]))


def test_the_usual_learning_rates_are_those_of_the_recipes() -> None:
    recipes = [load_recipe(name) for name in recipe_names()]
    for network, (low, high) in USUAL.items():
        rates = [getattr(r.training, f"{network}_optimizer").learning_rate for r in recipes]
        assert (min(rates), max(rates)) == (low, high)


@pytest.mark.parametrize("kind", ["dead discriminator", "useless discriminator"])
def test_a_useless_discriminator_is_put_down_to_a_learning_rate_far_off(kind: Kind) -> None:
    assert said(kind, f"{D}=1.0") == (
        "its learning rate is 1, and those of the packaged recipes are 0.0002 to 0.001: lower it, "
        f"with --set {D}=0.001"
    )
    assert said(kind, f"{D}=1.0e-8").endswith(f"raise it, with --set {D}=0.0002")
    near = said(kind, f"{D}=5.0e-3")
    assert near.startswith(f"lower its learning rate ({D}, 0.005 here)")


def test_a_discriminator_too_strong_takes_fewer_steps_where_it_has_several() -> None:
    kind: Kind = "saturated discriminator"
    assert "fewer training.discriminator_steps (5 here)" in said(
        kind, "training.discriminator_steps=5"
    )
    alone = said(kind)
    assert "discriminator_steps" not in alone
    assert f"a lower {D} (0.001 here) or a higher {G} (0.0005 here)" in alone


def test_identical_images_are_the_generators() -> None:
    assert said("identical images", f"{G}=0.5").endswith(f"lower it, with --set {G}=0.0005")
    assert said("identical images") == f"lower its learning rate ({G}, 0.0005 here)"


def test_a_risen_distance_takes_augmentation_where_there_is_none() -> None:
    found = said("distance")
    assert found.endswith("or lower learning rates (0.001 for D and 0.0005 for G here)")
    setting = re.search(r"\((augmentation\.kind=\w+)\)", found)
    assert setting is not None
    augmented = load_recipe("digits/biggan", [setting[1]])
    assert augmented.augmentation is not None
    assert remedy(Finding("distance", 1, ""), augmented).startswith("more images, or lower")
