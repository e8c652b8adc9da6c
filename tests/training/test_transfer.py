"""Weights for other classes: each class takes the rows that are said, by whatever network."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from contragan.core.types import DiscriminatorOutput
from contragan.models.discriminator import Discriminator
from contragan.models.layers.spectral_norm import SpectralNorm
from contragan.recipes.gan import build
from contragan.recipes.schema import load_recipe
from contragan.training.transfer import ClassStart, class_axes, for_classes, label_scores, transfer

OLD = 5
STARTS = [
    ClassStart("kept", "same name", 2, "kept"),
    ClassStart("new", "nearest", 4, "fox"),
    ClassStart("unknown", "mean"),
]
SMALL = ["generator.channels=8", "generator.latent_dim=12", "discriminator.channels=8"]
RECIPES = {
    "digits/contragan": ["generator.shared_dim=8"],
    "digits/proxy-nca": ["generator.shared_dim=8"],
    "digits/biggan": ["generator.shared_dim=8"],
    "digits/reacgan": ["generator.shared_dim=8"],
    "digits/acgan": [],
    "digits/sngan": [],
    "digits/projgan": ["conditioning.kind=projection"],
}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_each_class_takes_the_rows_of_the_class_it_starts_from(name: str, part: str) -> None:
    recipe = load_recipe(name, [*SMALL, *RECIPES[name]])
    old = getattr(build(recipe, OLD, seed=1), part).state_dict()
    network = getattr(build(recipe, len(STARTS), seed=2), part)
    axes = class_axes(lambda count: getattr(build(recipe, count, seed=0), part), len(STARTS))
    taken = transfer(network, old, axes, STARTS, OLD)
    assert taken.by_class
    assert not taken.anew
    for key, value in network.state_dict().items():
        if key in taken.whole:
            assert torch.equal(value, old[key]), key
        if key in taken.by_class:
            (axis,) = axes[key]
            rows, before = value.movedim(axis, 0), old[key].movedim(axis, 0)
            assert torch.equal(rows[0], before[2])
            assert torch.equal(rows[1], before[4])
            assert_close(rows[2], before.mean(0))
    for module in network.modules():
        weight = getattr(module, "weight", None)
        norm = getattr(module, "spectral_norm", None)
        if isinstance(norm, SpectralNorm) and any(size == len(STARTS) for size in weight.shape):  # type: ignore[union-attr]
            matrix = norm.matrix(weight, weight)  # type: ignore[arg-type]
            largest = torch.linalg.matrix_norm(matrix.detach(), 2)
            assert_close(norm.u @ matrix @ norm.v, largest, rtol=1e-3, atol=1e-6)


def test_a_class_of_the_same_name_is_drawn_as_before() -> None:
    recipe = load_recipe("digits/contragan", [*SMALL, "generator.shared_dim=8"])
    old, new = (build(recipe, count, seed).generator for count, seed in ((OLD, 1), (3, 2)))
    axes = class_axes(lambda count: build(recipe, count, seed=0).generator, 3)
    transfer(new, old.state_dict(), axes, STARTS, OLD)
    latent = torch.randn(4, 12)
    before = old.eval()(latent, torch.full((4,), 2))
    assert torch.equal(new.eval()(latent, torch.zeros(4, dtype=torch.long)), before)


def test_what_fits_nowhere_is_made_anew() -> None:
    old = build(load_recipe("digits/biggan", SMALL), OLD, seed=1).discriminator.state_dict()
    recipe = load_recipe("digits/contragan", SMALL)
    network = build(recipe, 3, seed=2).discriminator
    fresh = {name: value.clone() for name, value in network.state_dict().items()}
    axes = class_axes(lambda count: build(recipe, count, seed=0).discriminator, 3)
    taken = transfer(network, old, axes, STARTS, OLD)
    assert set(taken.anew) == {"head.projection.weight", "head.projection.bias"} | set(axes) - {
        "head.embedding.spectral_norm.u"
    }
    assert torch.equal(
        network.state_dict()["head.embedding.weight"], fresh["head.embedding.weight"]
    )
    assert all(name.startswith(("trunk.", "head.adversarial")) for name in taken.whole)


def test_a_table_of_classes_by_classes() -> None:
    table = torch.arange(16.0).view(4, 4)
    starts = [ClassStart("a", "nearest", 3, "d"), ClassStart("b", "mean")]
    rows = for_classes(for_classes(table, 0, starts), 1, starts)
    assert_close(rows, torch.tensor([[15.0, 13.5], [9.0, 7.5]]))


class Says(nn.Module):
    """A head with the same class table, read in different ways."""

    def __init__(self, table: Tensor, way: str) -> None:
        super().__init__()
        self.table, self.way = table, way

    def forward(self, feature: Tensor, label: Tensor) -> DiscriminatorOutput:
        output = {"logit": feature.sum(1), "label": label}
        if self.way == "classifier":
            output["class_logits"] = feature @ self.table.T
        if self.way == "proxies":
            output |= {"embedding": feature, "proxies": self.table}
        if self.way == "projection":
            output["logit"] = (self.table[label] * feature).sum(1)
        return DiscriminatorOutput(**output)


@pytest.mark.parametrize("way", ["classifier", "proxies", "projection"])
def test_the_nearest_class_by_every_kind_of_head(way: str) -> None:
    images = torch.zeros(4, 3, 1, 1)
    images[:, 1] = 1
    head = Says(torch.eye(3), way)
    scores = label_scores(Discriminator(nn.Flatten(), head), images, 3)
    assert scores is not None
    expected = torch.tensor([0.0, 1, 0])
    if way == "classifier":
        expected = expected.log_softmax(0)
    assert_close(scores, expected)


def test_a_head_without_classes_knows_no_nearest() -> None:
    discriminator = Discriminator(nn.Flatten(), Says(torch.eye(3), "none"))
    assert label_scores(discriminator, torch.ones(4, 3, 1, 1), 3) is None
