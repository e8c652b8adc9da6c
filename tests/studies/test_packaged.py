"""The studies of the package: every cell exists at every scale, and every number is the paper's."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from contragan.recipes.evaluation import PROTOCOLS
from contragan.recipes.gan import build
from contragan.recipes.reading import parse_yaml
from contragan.recipes.schema import Recipe, load_recipe
from contragan.studies.catalog import load_study, study_names
from contragan.studies.plan import distinct, plan
from contragan.studies.schema import Study

PAPER = "contragan-paper"
STUDIES = [
    "class-confusion",
    *(f"paper/{name}" for name in ("figure3", "figure4", "section4.3")),
    *(f"paper/table{number}" for number in (1, 2, 3, 4)),
]


@cache
def tables() -> dict[str, Any]:
    path = Path(__file__).with_name("paper_tables.yaml")
    found: dict[str, Any] = parse_yaml(path.read_text(), str(path))
    return found


@cache
def planned(name: str, scale: str) -> dict[str, Recipe]:
    return {run.name: run.recipe for run in distinct(plan(load_study(name)[1], scale))}


def test_there_are_these_studies() -> None:
    assert study_names() == STUDIES


@pytest.mark.parametrize("name", STUDIES)
def test_published_numbers_are_the_papers(name: str) -> None:
    study = load_study(name)[1]
    found: dict[str, dict[str, list[float | None]]] = {}
    for cell in study.cells:
        if (published := cell.published) is not None:
            second = published.intra_class_fid if name == "class-confusion" else published.spread
            found.setdefault(cell.row, {})[cell.column] = [published.fid, second]
    assert found == tables()[name]
    costs = {
        cell.column: [cell.published.parameters, cell.published.seconds]
        for cell in study.cells
        if cell.published is not None and cell.published.seconds is not None
    }
    assert costs == (tables()["costs"] if name == "paper/table4" else {})


def test_only_numbers_of_other_papers_have_another_protocol() -> None:
    others = {
        cell.label: cell.published.protocol
        for name in STUDIES
        for cell in load_study(name)[1].cells
        if name != "class-confusion" and cell.published and cell.published.protocol != PAPER
    }
    assert list(others) == ["CIFAR10, SNResGAN"]


@pytest.mark.parametrize("name", STUDIES)
def test_a_cells_recipe_stands_for_its_number(name: str) -> None:
    # Recipes name the table that they belong to; where one stands in several, with another number.
    other = {"CIFAR10, SNResGAN", "CIFAR10, ContraGAN" if name == "paper/figure4" else ""}
    for cell in load_study(name)[1].cells:
        if cell.published is None or cell.label in other or name == "class-confusion":
            continue
        recipe = load_recipe(cell.recipe)
        assert recipe.reference.published_protocol == PAPER
        if name != "paper/table4":  # Table 4 gives single runs where Tables 2 and 3 give means
            assert recipe.reference.published_fid == cell.published.fid


@pytest.mark.parametrize("name", STUDIES)
def test_the_papers_numbers_bear_out_its_claims(name: str) -> None:
    study = load_study(name)[1]
    fids = {c.label: c.published.fid for c in study.cells if c.published is not None}
    checked = 0
    for claim in study.claims:
        lower, than = fids.get(claim.lower), fids.get(claim.than)
        if claim.score == "frechet_distance" and lower is not None and than is not None:
            assert lower < than, claim.says
            checked += 1
    least = {"paper/table1": 12, "paper/table2": 12, "paper/table3": 11, "paper/table4": 11}
    assert checked >= least.get(name, 0)


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("scale", ["full", "small", "tiny"])
def test_every_cell_resolves(name: str, scale: str) -> None:
    study = load_study(name)[1]
    runs = plan(study, scale)
    labels = {(run.recorded.row, run.recorded.column) for run in runs}
    kept = [c for c in study.cells if c.scales is None or scale in c.scales]
    assert labels == {(cell.row, cell.column) for cell in kept}
    seeds = study.scales[scale].seeds
    expected = sum(min(c.seeds or seeds, seeds) for c in kept)
    assert len(runs) == expected
    assert all(("imagenet-128" not in run.name) or scale == "full" for run in runs)


def test_imagenet_has_one_seed_and_the_others_three() -> None:
    runs = plan(load_study("paper/table3")[1], "full")
    seeds = {
        row: sorted({run.recorded.seed for run in runs if run.recorded.row == row})
        for row in ("CIFAR10", "Tiny ImageNet", "ImageNet")
    }
    assert seeds == {"CIFAR10": [0, 1, 2], "Tiny ImageNet": [0, 1, 2], "ImageNet": [0]}


def test_full_is_the_recipe_evaluated_as_the_paper_does() -> None:
    for run in plan(load_study("paper/table2")[1], "full", seeds=1):
        evaluation = run.recipe.evaluation
        stated = {k: v for k, v in PROTOCOLS[PAPER].items() if k != "metrics"}
        assert {key: getattr(evaluation, key) for key in stated} == stated
        name = run.name.removesuffix("-seed0").rpartition("-")[0]
        packaged = load_recipe(name.replace("cifar10-", "cifar10/").replace("net-", "net/", 1))
        assert run.recipe.model_copy(update={"evaluation": packaged.evaluation}) == packaged


@pytest.mark.parametrize("scale", ["full", "small", "tiny"])
def test_cells_that_studies_share_are_one_run(scale: str) -> None:
    names = {
        "paper/table1": "CIFAR10, 2C (Eq. 8)",
        "paper/table2": "CIFAR10, BigGAN, ContraGAN",
        "paper/table3": "CIFAR10, ContraGAN",
        "paper/figure4": "CIFAR10, ContraGAN",
        "class-confusion": "CIFAR10, 2C (Eq. 8)",
        "paper/section4.3": "temperature, 1.0",
    }
    found = {
        run.name
        for name, label in names.items()
        for run in plan(load_study(name)[1], scale, seeds=1)
        if f"{run.recorded.row}, {run.recorded.column}" == label
    }
    assert len(found) == 1


def test_tiny_cifar10_is_what_it_says() -> None:
    """The name is a hash of all settings: it pins the scale whose results are landed."""
    names = set(planned("class-confusion", "tiny")) | set(planned("paper/table2", "tiny"))
    assert {
        "cifar10-contragan-be9f56e3-seed0",
        "cifar10-biggan-4110746a-seed1",
        "cifar10-reacgan-c6a4aa17-seed2",
        "cifar10-contragan-dcgan-74061d75-seed0",
        "cifar10-acgan-resgan-99f3ed51-seed0",
    } <= names


def test_batches_of_1024_keep_their_parts_at_tiny() -> None:
    recipes = planned("paper/table4", "tiny")
    sizes = {
        name: (recipe.training.batch_size, recipe.training.accumulation_steps)
        for name, recipe in recipes.items()
        if name.endswith("seed0")
    }
    assert len(sizes) == 9
    for name, size in sizes.items():
        assert size == ((128, 2) if "1024" in name else (64, 1))


def test_every_tiny_recipe_builds() -> None:
    networks: dict[str, tuple[Recipe, int]] = {}
    for name in STUDIES:
        for recipe in planned(name, "tiny").values():
            classes = 10 if recipe.data.classes is None else len(recipe.data.classes)
            parts = (recipe.generator, recipe.discriminator, recipe.conditioning, classes)
            networks[repr((*parts, recipe.data.resolution))] = recipe, classes
    assert len(networks) > 15
    for recipe, classes in networks.values():
        gan = build(recipe, classes, seed=0)
        assert sum(p.numel() for p in gan.generator.parameters()) < 2.5e6


def test_scales_of_a_file_may_start_from_a_packaged_one() -> None:
    study: Study = load_study("paper/figure3")[1]
    recipe = next(iter(planned("paper/figure3", "tiny").values()))
    assert study.scales["tiny"].seeds == 1
    assert "125 images" in study.scales["tiny"].note
    assert recipe.data.resolution == 16
    assert recipe.training.total_iterations == 6_000
    assert recipe.training.batch_size == 64  # from the packaged scale


def test_a_users_study_may_take_packaged_scales(tmp_path: Path) -> None:
    cell = {"row": "BigGAN", "column": "2C", "recipe": "cifar10/contragan"}
    mine = {"title": "t", "question": "q", "scores": ["frechet_distance"], "cells": [cell]}
    own = {"base": "tiny", "note": "shorter", "seeds": 1, "settings": {"all": ["a=1"]}}
    for scales, expected in (
        (["full", "tiny"], load_study("paper/table1")[1].scales["tiny"]),
        ({"tiny": own}, None),
    ):
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({**mine, "scales": scales}))
        scale = load_study(str(path))[1].scales["tiny"]
        if expected is not None:
            assert scale == expected
        else:
            assert (scale.note, scale.seeds) == ("shorter", 1)
            assert scale.settings["all"][-1] == "a=1"
            assert scale.settings["all"][0] == "data.resolution=16"


def test_a_recipes_name_is_a_key_of_a_scale() -> None:
    tables_at_tiny = planned("paper/table3", "tiny")
    attention = {
        name: recipe.generator.model_dump()["attention_after_block"]
        for name, recipe in tables_at_tiny.items()
        if name.endswith("seed0") and recipe.generator.kind == "resgan"
    }
    assert sorted((name.rpartition("-")[0][:-9], at) for name, at in attention.items()) == [
        ("cifar10-sagan", 1),
        ("cifar10-sngan", None),
        ("tiny-imagenet-sagan", 2),
        ("tiny-imagenet-sngan", None),
    ]
