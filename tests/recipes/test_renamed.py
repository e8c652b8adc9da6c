"""Recipes under their former names, and runs that were made under them."""

from pathlib import Path

import pytest
from rich.console import Console

from contragan.core.errors import UserError
from contragan.evaluation.choice import Choice
from contragan.evaluation.run import evaluate_run
from contragan.models.heads.contrastive import ContrastiveConfig
from contragan.recipes.catalog import RENAMED, recipe_names, recipe_text, renamed, todays_name
from contragan.recipes.schema import load_recipe
from contragan.runs.model import load
from contragan.runs.run import open_run
from contragan.training.setup import Request
from contragan.training.train import train

QUIET = Console(quiet=True)
FORMER = "ContraGAN with Eq. 7 on scikit-learn's digits, 16 x 16 (minutes on a laptop)"


@pytest.mark.parametrize("name", [n for n in recipe_names() if "contragan" in n])
def test_one_name_is_one_method(name: str) -> None:
    conditioning = load_recipe(name).conditioning
    assert isinstance(conditioning, ContrastiveConfig)
    assert conditioning.positives_in_numerator == ("contragan-eq7" not in name)
    assert ("Eq. 8" in load_recipe(name).description) == ("contragan-eq7" not in name)


def test_a_run_of_a_former_name_has_todays() -> None:
    assert todays_name("digits/contragan-eq8", "ContraGAN (Eq. 8)") == "digits/contragan"
    assert todays_name("folder/contragan-64", "with Eq. 7") == "folder/contragan-eq7-64"
    assert todays_name("digits/contragan", FORMER) == "digits/contragan-eq7"
    assert todays_name("digits/contragan", "2C loss, Eq. 8") == "digits/contragan"


def test_former_names_find_the_recipe_and_say_todays_name() -> None:
    assert not set(RENAMED) & set(recipe_names())
    for former, today in RENAMED.items():
        assert recipe_text(former) == recipe_text(today)
        assert f"called {today} now" in (renamed(former) or "")
    assert renamed("digits/contragan") is None


def test_a_run_made_when_the_name_meant_eq7(tmp_path: Path, tiny: list[str]) -> None:
    """It is sampled, evaluated and resumed as what it is."""
    folder = tmp_path / "run"

    def request(name: str, iterations: int, resume: bool, former: bool) -> Request:
        settings = [f"training.total_iterations={iterations}"]
        if former:
            settings.append(f"description={FORMER}")
        recipe = load_recipe("digits/contragan-eq7" if former else name, [*tiny, *settings])
        return Request(name, recipe, out=folder, resume=resume)

    train(request("digits/contragan", 4, resume=False, former=True), QUIET)
    assert '"recipe": "digits/contragan",' in (folder / "dataset.json").read_text()
    assert open_run(folder).name == "digits/contragan-eq7"
    assert load(folder).sample(num=3).shape == (3, 1, 16, 16)
    choice = Choice(metrics=("frechet_distance",))
    assert evaluate_run(folder, choice, QUIET, which="last", ema=None).values
    with pytest.raises(
        UserError, match=r"a run of digits/contragan-eq7 with other settings \(cond"
    ):
        train(request("digits/contragan", 8, resume=True, former=False), QUIET)
    train(request("digits/contragan-eq7", 8, resume=True, former=False), QUIET)
    assert load(folder, which="last").iteration == 8
