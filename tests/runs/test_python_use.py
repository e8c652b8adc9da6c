"""A model in a notebook: what it says of itself, images of given latents and mixtures, its log."""

import doctest
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import contragan
from contragan.core.errors import UserError
from contragan.losses import D2DCELoss
from contragan.runs.model import Model
from contragan.runs.run import open_run


@pytest.fixture(scope="module")
def model(trained_run: Path) -> Model:
    return contragan.load(trained_run, which="last")


def test_latents_and_labels_give_what_sample_draws(model: Model) -> None:
    labels = model.labels(None, 12)
    latents = model.latents(12, seed=3)
    expected = model.sample(num=12, seed=3)
    assert torch.equal(model.generate(latents, labels), expected)
    assert torch.equal(model.generate(latents, labels, batch_size=5), expected)
    assert torch.equal(model.generate(latents, torch.eye(10)[labels]), expected)
    assert torch.equal(
        model.generate(model.latents(4, seed=1), "3"), model.sample("3", num=4, seed=1)
    )
    assert model.latents(9, seed=3, truncation=0.5).abs().max() <= 0.5


@pytest.mark.parametrize("name", ["digits/biggan", "digits/ggan", "digits/wgan-gp"])
def test_a_mixture_lies_between_its_classes(name: str) -> None:
    conditional = ["generator.conditional=true"]
    generator = contragan.build(contragan.load_recipe(name, conditional), 10, seed=0).generator
    generator = generator.double().eval()
    z = torch.randn(1, generator.latent_dim, dtype=torch.float64).expand(3, -1)
    mixtures = torch.zeros(3, 10, dtype=torch.float64)
    mixtures[:, 3] = torch.tensor([1.0, 0.5, 0.0])
    mixtures[:, 8] = torch.tensor([0.0, 0.5, 1.0])
    with torch.no_grad():
        first, middle, last = generator(z, mixtures)
        assert_close(torch.stack([first, last]), generator(z[:2], torch.tensor([3, 8])))
        assert (middle - first).abs().max() > 1e-6
        assert (middle - last).abs().max() > 1e-6


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (torch.zeros(3, dtype=torch.long), "there are 2 latents, but 3 labels"),
        (torch.tensor([0, 10]), "indices of 10 classes: 0 to 9"),
        (torch.zeros(2, 9), r"\(2, 9\) must be finite weights of all 10 classes"),
        (torch.full((2, 10), torch.nan), "must be finite"),
        (torch.zeros(2), "give indices"),
        ("nine", "there is no class 'nine'"),
    ],
)
def test_labels_that_do_not_fit(model: Model, labels: torch.Tensor, said: str) -> None:
    with pytest.raises(UserError, match=said):
        model.generate(model.latents(2), labels)


def test_latents_of_another_size(model: Model) -> None:
    with pytest.raises(UserError, match=r"shape \(2, 5\), not \(N, 12\)"):
        model.generate(torch.zeros(2, 5), "3")


def test_a_grid_is_an_image_that_a_notebook_shows(model: Model) -> None:
    grid = model.grid(["3", "7"], num=4, scale=2, seed=1)
    assert isinstance(grid, Image.Image)
    assert grid.size[1] == 2 * (32 + 2) + 2
    two_rows_each = model.grid(["3", "7"], num=4, scale=2, columns=2, seed=1)
    assert two_rows_each.size[1] == 4 * (32 + 2) + 2
    assert grid.size[0] - two_rows_each.size[0] == 2 * (32 + 2)


def test_what_things_say_of_themselves(model: Model, trained_run: Path) -> None:
    assert repr(model).startswith(f"Model({model.run.name}, seed 0, iteration 8, ")
    assert "10 classes (0, 1, 2, 3, ...), images 1 x 16 x 16" in repr(model)
    assert repr(open_run(trained_run)).endswith(f"{model.run.name}, seed 0, 10 classes)")
    count = sum(parameter.numel() for parameter in model.generator.parameters())
    said = f"BigGANGenerator(12 latents, 10 classes, {count:,} parameters)"
    assert repr(model.generator) == said
    assert repr(D2DCELoss(0.5)) == (
        "D2DCELoss(temperature=0.5, positive_margin=0.98, negative_margin=0.02)"
    )
    gan = contragan.build(model.run.recipe, 10, seed=0)
    assert "\n" not in repr(gan)
    assert "Discriminator(ResidualTrunk(16 features, " in repr(gan)


def test_the_table_of_a_run(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)  # as where it is not installed
    rows = open_run(trained_run).metrics(["training.batch_size", "conditioning.kind"])
    assert len({frozenset(row) for row in rows}) == 1  # the same columns in every row
    assert {row["training.batch_size"] for row in rows} == {16}
    assert {row["seed"] for row in rows} == {0}
    scores = [row for row in rows if row["name"] == "evaluation/frechet_distance"]
    assert [row["step"] for row in scores] == [4, 8]
    assert {(row["unit"], row["features"]) for row in scores} == {("distance", "pixels")}
    speeds = {row["step"]: row["value"] for row in rows if row["name"] == "iterations_per_second"}
    expected = {2: 2 / speeds[2]}
    for step in (4, 6, 8):
        expected[step] = expected[step - 2] + 2 / speeds[step]
    for row in rows:
        assert row["wall_seconds"] == pytest.approx(expected[row["step"]])
    with pytest.raises(UserError, match=r"no setting 'training.batchsize', did you mean 'train"):
        open_run(trained_run).metrics(["training.batchsize"])


def test_the_table_is_pandas_where_it_is_installed(
    trained_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = SimpleNamespace(DataFrame=lambda rows, columns: (rows, columns))
    monkeypatch.setitem(sys.modules, "pandas", made)
    rows, columns = open_run(trained_run).metrics()
    assert list(rows[0]) == columns


@pytest.mark.parametrize("name", ["core.types", "models.discriminator", "recipes.gan"])
def test_examples_run(name: str) -> None:
    result = doctest.testmod(import_module(f"contragan.{name}"))
    assert (result.attempted > 0, result.failed) == (True, 0)
