"""Ways to a shorter training are settings that the recipe at hand accepts."""

import pytest

from contragan.models.dcgan import WIDTHS
from contragan.recipes.schema import load_recipe
from contragan.training.shorter import (
    TOO_LONG,
    VALUE,
    advice,
    fewer_iterations,
    smaller,
    ways_for,
    ways_out,
    work,
)

DAY = 86_400.0
DEEP_ATTENTION = ["discriminator.attention_after_block=3"]
PLAIN = ["generator.attention_after_block=null", "discriminator.attention_after_block=null"]
TINY_IMAGENET = "tiny-imagenet/contragan-eq7"
CIFAR = "cifar10/contragan-dcgan"
PHOTOS = "folder/contragan-eq7-128"


def width(channels: int) -> list[str]:
    return [f"generator.channels={channels}", f"discriminator.channels={channels}"]


def known(count: float | None) -> float:
    assert count is not None
    return count


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("folder/contragan-eq7-128", ()),
        ("cifar10/dcgan", ()),
        ("tiny-imagenet/sagan", ()),
        (
            "folder/contragan-eq7-128",
            ("data.resolution=512", "generator.latent_dim=160", *DEEP_ATTENTION),
        ),
    ],
)
@pytest.mark.parametrize("days", [3, 200])
def test_each_way_is_a_recipe_that_takes_less_time(
    name: str, settings: tuple[str, ...], days: int
) -> None:
    recipe = load_recipe(name, list(settings))
    ways = ways_out(recipe, days * DAY)
    assert [way.name for way in ways] == [
        "fewer iterations",
        "narrower networks",
        "smaller images",
    ]
    for way in ways:
        shorter = load_recipe(name, [*settings, *way.settings])
        assert shorter != recipe
        assert way.seconds < days * DAY
        if way.name != "fewer iterations":
            assert way.seconds / (days * DAY) == pytest.approx(
                known(work(shorter)) / known(work(recipe)), rel=1e-9
            )
    assert ways[0].seconds <= TOO_LONG
    if days == 3:
        assert all(way.seconds <= TOO_LONG for way in ways)
    if days == 200:
        assert f"generator.channels={max(16, recipe.generator.channels // 4)}" in ways[1].settings  # type: ignore[attr-defined]
        size = recipe.data.image_shape[1]
        smallest = size // 2 if size == 32 else max(32, size // 4)
        assert f"data.resolution={smallest}" in ways[2].settings


def test_the_settings_of_a_way_fit_each_other() -> None:
    recipe = load_recipe("folder/contragan-eq7-128")
    *_, way = ways_out(recipe, 12 * DAY)
    assert way.settings == (
        "data.resolution=32",
        "generator.attention_after_block=2",
    )
    large = ["data.resolution=512", "generator.latent_dim=160", *DEEP_ATTENTION]
    assert (
        "data.resolution=256",
        "generator.latent_dim=154",
        "discriminator.attention_after_block=2",
    ) in smaller(load_recipe("folder/contragan-eq7-128", large))
    narrow = ways_out(recipe, 6 * DAY)[1]
    assert narrow.settings == ("generator.channels=16", "discriminator.channels=16")


def test_a_way_that_does_not_exist_is_not_named() -> None:
    """The digits have 16 pixels and 16 channels, the least that is advised."""
    recipe = load_recipe("digits/contragan")
    assert [way.name for way in ways_out(recipe, 5 * DAY)] == ["fewer iterations"]


@pytest.mark.parametrize(
    ("total", "done", "days", "setting", "seconds"),
    [
        (50_000, 0, 6, 16_000, 1.92 * DAY),
        (50_000, 40_000, 4, 45_000, 2 * DAY),
        (8, 0, 400, 1, 50 * DAY),
    ],
)
def test_so_many_iterations_as_fit(
    total: int, done: int, days: int, setting: int, seconds: float
) -> None:
    way = fewer_iterations(total, done, days * DAY)
    assert way.settings == (f"training.total_iterations={setting}",)
    assert way.seconds == pytest.approx(seconds)


def test_work_counts_convolutions_and_values_of_both_networks_in_every_update() -> None:
    """By hand: ResGAN of 16 x 16, from 4 x 4 to 8 x 8 to 16 x 16 and back to 4 x 4."""
    sixteen = ["data.resolution=16", "generator.channels=8", "discriminator.channels=4"]
    attention = ["generator.attention_after_block=null", "discriminator.attention_after_block=null"]
    g = 4 * 4 * (10 * 32 * 32) + 8 * 8 * (9 * 32 * 32)
    g += 8 * 8 * (10 * 32 * 32) + 16 * 16 * (9 * 32 * 32)
    g += VALUE * 3 * 32 * (8 * 8 + 16 * 16)
    d = 16 * 16 * 9 * 3 * 8 + 8 * 8 * (9 * 8 * 8 + 3 * 8)
    d += 8 * 8 * 9 * 8 * 8 + 4 * 4 * (10 * 8 * 8)
    d += 4 * 4 * 9 * 8 * 8 + 4 * 4 * (10 * 8 * 8)
    d += VALUE * 8 * (16 * 16 + 2 * 8 * 8 + 8 * 8 + 2 * 4 * 4 + 4 * 4 + 2 * 4 * 4)
    for steps in (1, 5):
        settings = [*sixteen, *attention, f"training.discriminator_steps={steps}"]
        counted = work(load_recipe("cifar10/sngan", settings))
        assert counted == pytest.approx(steps * (g + 6 * d) + 3 * g + 2 * d)
    attending = [*sixteen, "generator.attention_after_block=1", attention[1]]
    more = known(work(load_recipe("cifar10/sngan", attending)))
    one = known(work(load_recipe("cifar10/sngan", [*sixteen, *attention])))
    steps = load_recipe("cifar10/sngan").training.discriminator_steps
    assert more - one == pytest.approx((steps + 3) * VALUE * (8 * 8) ** 2 / 20)


def test_values_of_dcgan_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: from 4 x 4 to 32 x 32, and back with a full and a halved size in each block."""
    sizes = ["generator.channels=8", "discriminator.channels=4", "training.discriminator_steps=1"]
    recipe = load_recipe("cifar10/dcgan", sizes)
    whole = known(work(recipe))
    monkeypatch.setattr("contragan.training.shorter.VALUE", 0)
    g = 8 * (8 * 8 * WIDTHS[3][1] + 16 * 16 * WIDTHS[3][2] + 32 * 32 * WIDTHS[3][3])
    d = 4 * ((32 * 32 + 16 * 16) * WIDTHS[3][3] + (16 * 16 + 8 * 8) * WIDTHS[3][2])
    d += 4 * (8 * 8 + 4 * 4) * WIDTHS[3][1]
    assert whole - known(work(recipe)) == pytest.approx(VALUE * (g + 6 * d + 3 * g + 2 * d))


def test_work_grows_with_width_and_size() -> None:
    wide = ["generator.channels=128", "discriminator.channels=128"]
    once = known(work(load_recipe("cifar10/dcgan")))
    assert 3 < known(work(load_recipe("cifar10/dcgan", wide))) / once < 4
    small, large = (
        known(work(load_recipe("folder/contragan-eq7-128", [*PLAIN, f"data.resolution={side}"])))
        for side in (128, 192)
    )
    assert large / small == pytest.approx(2.25)


@pytest.mark.parametrize(
    ("name", "now", "then", "measured"),
    [
        (TINY_IMAGENET, width(32), width(24), 0.707),
        (TINY_IMAGENET, width(32), width(16), 0.414),
        (
            TINY_IMAGENET,
            width(32),
            [*width(32), "data.resolution=32", "generator.attention_after_block=2"],
            0.413,
        ),
        (CIFAR, [], width(48), 0.782),
        (CIFAR, [], width(16), 0.136),
        (CIFAR, [], ["data.resolution=24"], 0.476),
        (CIFAR, [], ["data.resolution=16"], 0.198),
        (PHOTOS, width(32), width(16), 0.747),
        (PHOTOS, width(32), [*width(32), *PLAIN], 0.836),
    ],
)
def test_estimates_are_near_what_was_measured(
    name: str, now: list[str], then: list[str], measured: float
) -> None:
    """Shares of an iteration's time on two cores, with one update of D, in bf16."""
    one = ["training.discriminator_steps=1"]
    before, after = (known(work(load_recipe(name, [*one, *each]))) for each in (now, then))
    assert after / before == pytest.approx(measured, rel=0.35)


def test_advice_has_one_line_per_way_and_one_to_copy() -> None:
    ways = ways_out(load_recipe("folder/contragan-eq7-128"), 6 * DAY)
    first, *rest = advice(ways)
    assert first == (
        "warning: that is more than 2 days. Ctrl-C saves and stops. What makes a run shorter, "
        "with times that are estimated, not measured:"
    )
    assert rest[:2] == [
        "  fewer iterations, about 1 d 22 h:",
        "    --set training.total_iterations=16000",
    ]
    assert len(rest) == 6
    assert max(map(len, rest)) <= 100


def test_a_run_that_goes_on_can_only_be_shortened() -> None:
    recipe = load_recipe("folder/contragan-eq7-128")
    total = recipe.training.total_iterations
    (way,) = ways_for(recipe, True, 1000, 6 * DAY)
    assert way == fewer_iterations(total, 1000, 6 * DAY)
    assert ways_for(recipe, False, 1000, 6 * DAY) == ways_out(recipe, 6 * DAY)


def test_a_rectangle_is_made_smaller_in_its_shape() -> None:
    settings = ["data.resolution=96x128", "generator.attention_after_block=3"]
    recipe = load_recipe("folder/contragan-eq7-128", settings)
    assert [way[0] for way in smaller(recipe)] == [
        "data.resolution=72x96",  # which the networks do not have: the recipe refuses it
        "data.resolution=48x64",
    ]
    *_, way = ways_out(recipe, 3 * DAY)
    assert way.settings == ("data.resolution=48x64", "generator.attention_after_block=2")
    # The same layers at a third more positions.
    square, wider = (
        known(work(load_recipe("folder/contragan-eq7-128", [*PLAIN, f"data.resolution={side}"])))
        for side in ("96", "96x128")
    )
    assert wider == pytest.approx(4 / 3 * square, rel=1e-9)
