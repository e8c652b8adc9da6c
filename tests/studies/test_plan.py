"""From cells and scales to runs: which settings, which names, in which order."""

from pathlib import Path
from typing import Any

import pytest
from pretended_study import STUDY

from contragan.core.errors import UserError
from contragan.recipes.schema import parse_recipe
from contragan.studies.plan import distinct, plan, run_name
from contragan.studies.schema import Study


def study(**changes: Any) -> Study:
    return Study.model_validate({**STUDY, **changes})


def scale(**settings: list[str]) -> dict[str, Any]:
    return {"tiny": {"note": "n", "seeds": 1, "settings": settings}}


def test_the_first_seed_of_every_cell_comes_first() -> None:
    runs = plan(study(), "small")
    assert [(run.recorded.column, run.recorded.seed) for run in runs] == [
        ("projection", 0),
        ("2C", 0),
        ("projection", 1),
        ("2C", 1),
    ]
    assert len(plan(study(), "small", seeds=3)) == 6
    assert plan(study(), "tiny")[0].recorded.label == "BigGAN, projection, seed 0"


def test_names_are_those_of_the_runs_that_exist() -> None:
    """Another rule for names would make every run of every user anew."""
    recipe = parse_recipe((Path(__file__).parent / "recipe.yaml").read_text(), "recipe.yaml")
    assert run_name("digits/biggan", recipe, 0) == "digits-biggan-13e410c8-seed0"
    about = recipe.model_copy(update={"description": "another"})
    assert run_name("/a/b/mine.yaml", about, 3) == "mine-13e410c8-seed3"


def test_settings_for_kinds_come_in_their_order_and_a_cell_s_last() -> None:
    scales = scale(
        biggan=["training.batch_size=8", "generator.channels=8"],
        all=["training.batch_size=16", "data.resolution=8", "training.total_iterations=5"],
        digits=["data.resolution=16"],
        contrastive=["conditioning.embedding_dim=16"],
        projection=["training.total_iterations=6"],
    )
    cells = [
        {**STUDY["cells"][0], "settings": ["discriminator.channels=24"]},
        {**STUDY["cells"][1], "settings": ["training.total_iterations=7"]},
    ]
    projection, contrastive = plan(study(scales=scales, cells=cells), "tiny")
    assert projection.recipe.training.batch_size == 16
    assert projection.recipe.generator.model_dump()["channels"] == 8
    assert projection.recipe.data.resolution == 16
    assert projection.recipe.discriminator.model_dump()["channels"] == 24
    assert projection.recipe.training.total_iterations == 6
    assert contrastive.recipe.conditioning.model_dump()["embedding_dim"] == 16
    assert contrastive.recipe.training.total_iterations == 7
    assert contrastive.recorded.total_iterations == 7


def test_cells_of_the_same_settings_share_a_run() -> None:
    cells = [*STUDY["cells"], {**STUDY["cells"][0], "column": "the same"}]
    runs = plan(study(cells=cells), "tiny")
    assert runs[0].name == runs[2].name
    assert [run.recorded.column for run in distinct(runs)] == ["projection", "2C"]


def test_cells_of_other_scales_are_left_out() -> None:
    cells = [STUDY["cells"][0], {**STUDY["cells"][1], "scales": ["small"]}]
    assert len(plan(study(cells=cells), "tiny")) == 1
    only = [{**cell, "scales": ["small"]} for cell in STUDY["cells"]]
    with pytest.raises(UserError, match="no cell at scale tiny"):
        plan(study(cells=only), "tiny")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"scales": scale(contrastiv=["a.b=1"])},
            "scale tiny has settings for 'contrastiv', .*did you mean 'contrastive'",
        ),
        (
            {"scales": scale(all=["training.bacth_size=1"])},
            "cell 'BigGAN, projection': .*'training.bacth_size', did you mean",
        ),
        (
            {"cells": [{"row": "a", "column": "b", "recipe": "digits/bigan"}]},
            "cell 'a, b': unknown recipe 'digits/bigan', did you mean 'digits/biggan'",
        ),
        (
            {"scores": ["frechet_distance", "frechet_distanse"]},
            "score 'frechet_distanse', which its .* do not give, did you mean 'frechet_distance'",
        ),
    ],
)
def test_what_does_not_exist_is_found_with_its_place(
    changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(UserError, match=expected):
        plan(study(**changes), "tiny")
