"""Every packaged recipe against ``facts.yaml``: what its published score was made with."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from contragan.recipes.catalog import recipe_names
from contragan.recipes.evaluation import PROTOCOLS, EvaluationConfig, named_protocol
from contragan.recipes.reading import Loader
from contragan.recipes.schema import load_recipe

TABLE = yaml.load((Path(__file__).parent / "facts.yaml").read_text(), Loader=Loader)
FACTS = {
    (recipe, setting): value
    for group in TABLE["facts"]
    for recipe in group["recipes"]
    for setting, value in group["settings"].items()
}
DEVIATIONS = {
    (recipe, row["setting"]): row for row in TABLE["deviations"] for recipe in row["recipes"]
}
PUBLISHED = {
    recipe: (fid, protocol)
    for protocol, scores in TABLE["published"].items()
    for recipe, fid in scores.items()
}
NAMES = sorted({recipe for recipe, _ in FACTS})


def setting_of(recipe: dict[str, Any], path: str) -> Any:
    value: Any = recipe
    for key in path.split("."):
        assert key in value, f"{path} is not a setting of this recipe"
        value = value[key]
    return value


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_those_of_the_published_score(name: str) -> None:
    recipe = load_recipe(name).model_dump(mode="json")
    wrong = []
    for (owner, path), fact in FACTS.items():
        if owner != name:
            continue
        found = setting_of(recipe, path)
        row = DEVIATIONS.get((name, path))
        if row is None:
            expected = fact
        else:
            assert row["published"] == fact, f"{path}: the deviation is from another fact"
            assert re.search(row["note"], recipe["reference"]["note"]), f"{path}: not in the note"
            expected = row["here"]
        if found != expected:
            wrong.append(f"{path} is {found}, not {expected}")
    assert not wrong


def test_no_fact_stands_twice_with_two_values() -> None:
    for group in TABLE["facts"]:
        for recipe in group["recipes"]:
            for setting, value in group["settings"].items():
                assert FACTS[recipe, setting] == value, f"{recipe}: {setting}"


def test_every_deviation_is_from_a_fact() -> None:
    assert set(DEVIATIONS) <= set(FACTS)


def test_what_no_setting_says_stands_in_the_note() -> None:
    for name in ("cifar10/uncond-biggan", "tiny-imagenet/uncond-biggan"):
        assert "class embedding" in (load_recipe(name).reference.note or "")


def test_every_recipe_of_a_published_data_set_stands_in_the_table() -> None:
    published_sets = ("cifar10/", "tiny-imagenet/", "imagenet-128/")
    names = {name for name in recipe_names() if name.startswith(published_sets)}
    assert names == set(NAMES) | set(TABLE["ours"])
    assert not set(NAMES) & set(TABLE["ours"])


def test_published_scores_and_their_protocols() -> None:
    found = {}
    for name in recipe_names():
        reference = load_recipe(name).reference
        if reference.published_fid is not None:
            found[name] = (reference.published_fid, reference.published_protocol)
        else:
            assert reference.published_protocol is None
    assert found == PUBLISHED


def test_protocols_of_published_scores() -> None:
    shared = {
        "features": "inception",
        "resize": "bilinear",
        "num_images": None,  # as many as there are test images
        "reference": "test",
        "labels": "random",
        "rounding": False,
        "precision": "float32",
    }
    for name, batch_norm in (("contragan-paper", "running"), ("studiogan-2021", "batch")):
        facts = named_protocol(name).model_dump() | {"protocol": None}
        assert {key: facts[key] for key in shared} == shared
        assert facts["batch_norm"] == batch_norm
    assert set(TABLE["published"]) <= set(PROTOCOLS)
    assert EvaluationConfig.model_fields["rounding"].default is True
