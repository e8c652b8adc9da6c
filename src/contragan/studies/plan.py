"""From a study to the runs that it needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from contragan.core.errors import UserError
from contragan.core.registry import kind_of
from contragan.metrics.registry import METRICS, scores_of
from contragan.recipes.catalog import nearest, recipe_names, short_name
from contragan.recipes.reading import models_in
from contragan.recipes.schema import Recipe, load_recipe
from contragan.studies.record import RecordedRun
from contragan.studies.schema import Cell, Scale, Study

EVERY = "all"
"""The key of a scale's settings that every recipe gets."""

FROM_KIND = ("data", "generator", "conditioning")
"""The parts of a recipe whose kind a scale's settings may be for."""


@dataclass(frozen=True)
class PlannedRun:
    """A run of a study: what to train, and how the study knows it."""

    recorded: RecordedRun
    recipe: Recipe

    @property
    def name(self) -> str:
        return self.recorded.name


def run_name(recipe_name: str, recipe: Recipe, seed: int) -> str:
    """The folder of a cell's run among a study's runs: equal for equal recipes and seeds.

    It is made of the settings that differ from their defaults, so a setting that a later version
    adds with a default leaves it as it was; what a recipe says about itself does not count.

    >>> from contragan.recipes.schema import load_recipe
    >>> run_name("digits/biggan", load_recipe("digits/biggan"), 0).startswith("digits-biggan-")
    True
    """
    said = recipe.model_dump(
        mode="json", exclude={"description", "reference"}, exclude_defaults=True
    )
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]
    return f"{short_name(recipe_name).replace('/', '-')}-{digest}-seed{seed}"


def plan(study: Study, scale_name: str, seeds: int | None = None) -> list[PlannedRun]:
    """All runs of a study at a scale, the first seed of every cell before the second.

    A scale's own settings come first, in the order of their keys, then the cell's. ``seeds`` None
    means as many as the scale says, or the cell where it has fewer.

    Raises:
        UserError: an unknown recipe, setting or kind, in which cell or scale; a score that no cell
            is evaluated for.
    """
    scale = study.scales[scale_name]
    _check_kinds(scale, scale_name)
    cells = [cell for cell in study.cells if cell.scales is None or scale_name in cell.scales]
    if not cells:
        raise UserError(f"the study has no cell at scale {scale_name}")
    recipes = [(cell, _resolved(cell, scale)) for cell in cells]
    _check_scores(study, [recipe for _, recipe in recipes])
    return [
        PlannedRun(_recorded(cell, recipe, seed), recipe)
        for seed in range(scale.seeds if seeds is None else seeds)
        for cell, recipe in recipes
        if seeds is not None or cell.seeds is None or seed < cell.seeds
    ]


def distinct(runs: Iterable[PlannedRun]) -> list[PlannedRun]:
    """The runs, each once."""
    first: dict[str, PlannedRun] = {}
    for run in runs:
        first.setdefault(run.name, run)
    return list(first.values())


def settings_of(cell: Cell, scale: Scale, recipe: Recipe) -> list[str]:
    """What a cell changes of its ``recipe`` at a scale, as ``--set`` takes it."""
    keys = {EVERY, cell.recipe, *(getattr(recipe, part).kind for part in FROM_KIND)}
    settings = [s for key, values in scale.settings.items() if key in keys for s in values]
    return [*settings, *cell.settings]


def _resolved(cell: Cell, scale: Scale) -> Recipe:
    try:
        settings = settings_of(cell, scale, load_recipe(cell.recipe))
        return load_recipe(cell.recipe, settings)
    except UserError as error:
        raise UserError(f"cell '{cell.label}': {error}") from error


def _recorded(cell: Cell, recipe: Recipe, seed: int) -> RecordedRun:
    return RecordedRun(
        row=cell.row,
        column=cell.column,
        seed=seed,
        name=run_name(cell.recipe, recipe, seed),
        data=recipe.data.kind,
        total_iterations=recipe.training.total_iterations,
        evaluated=recipe.training.evaluate_every_iterations is not None,
    )


def _check_scores(study: Study, recipes: Iterable[Recipe]) -> None:
    names = {name for recipe in recipes for name in recipe.evaluation.metrics}
    known = scores_of({name: METRICS[name] for name in sorted(names)})
    for score in [*study.scores, *(claim.score for claim in study.claims)]:
        if score not in known:
            raise UserError(
                f"the study asks for the score '{score}', which its cells' evaluation.metrics "
                f"do not give{nearest(score, list(known))}"
            )


def _check_kinds(scale: Scale, name: str) -> None:
    known = [
        EVERY,
        *(
            kind
            for part in FROM_KIND
            for variant in models_in(Recipe.model_fields[part].annotation)
            if (kind := kind_of(variant)) is not None
        ),
        *recipe_names(),
    ]
    for key in scale.settings:
        if key not in known:
            raise UserError(
                f"scale {name} has settings for '{key}', which is not {EVERY}, a kind of data "
                f"set, generator or conditioning, or a packaged recipe{nearest(key, known)}"
            )
