"""Recipes: all load, all round-trip, and a mistake gets the nearest valid name."""

from pathlib import Path

import pytest

from contragan.core.errors import UserError
from contragan.models.biggan import BigGANTrunkConfig
from contragan.recipes.catalog import descriptions, recipe_names, recipe_text
from contragan.recipes.explain import explained
from contragan.recipes.schema import dump_recipe, load_recipe, parse_recipe


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_round_trips(name: str) -> None:
    recipe = load_recipe(name)
    assert parse_recipe(dump_recipe(recipe), name) == recipe
    assert descriptions()[name] == recipe.description
    assert len(recipe_text(name).splitlines()) <= 60


def test_override_changes_only_its_setting() -> None:
    plain = load_recipe("digits/contragan")
    changed = load_recipe("digits/contragan", ["training.batch_size=32"])
    assert changed.training.batch_size == 32
    assert changed.model_copy(update={"training": plain.training}) == plain
    off = load_recipe("cifar10/contragan", ["training.ema=null"])
    assert off.training.ema is None


def test_exponent_without_a_point_is_a_number() -> None:
    path = "training.generator_optimizer.learning_rate"
    recipe = load_recipe("digits/contragan", [f"{path}=3e-4"])
    assert recipe.training.generator_optimizer.learning_rate == pytest.approx(3e-4)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("training.batchsize=3", "training.batchsize', did you mean 'batch_size'"),
        ("conditioning.temprature=3", "'conditioning.temprature', did you mean 'temperature'"),
        ("generator.chanels=3", "did you mean 'channels'"),
        ("trainin.batch_size=3", "'trainin', did you mean 'training'"),
        ("conditioning.kind=contrast", "did you mean 'contrastive'"),
        ("training.batch_size=lots", "training.batch_size"),
        ("training.batch_size=2.5", "training.batch_size"),
        ("training.batch_size=true", "training.batch_size"),
        ("training.batch_size=-1", "greater than 0"),
        ("training.precision=fp8", "'fp32' or 'bf16'"),
        ("conditioning.same_class_negatives=false", "positives_in_numerator"),
        ("generator.latent_dim=50", "multiple of 3"),
        ("generator.attention_after_block=7", "choose 1 to 2"),
        ("data.resolution=50", "resolution"),
        ("training.accumulation_steps=5", "not divisible"),
        ("training.batch_size", "path=value"),
        ("description.x=1", "is a value"),
        ("training.batch_size=[", "not valid YAML"),
        ("training.batch_size=" + "[" * 9999, "not valid YAML"),
        ("augmentation.policy=[color]", "'augmentation' needs its kind (valid: flip_shift, "),
        ("augmentation.kind=adaa", "'augmentation.kind' is 'adaa', did you mean 'ada'"),
        ("description=&x [*x]", "Circular reference"),
        ("data.classes=3", "'data.classes' is a list: write data.classes=[3]"),
        ("data.classes=[[3], 5]", "data.classes.0"),
    ],
)
def test_a_wrong_override_is_explained(override: str, expected: str) -> None:
    overrides = [override]
    if override.startswith("conditioning.same"):
        overrides = ["conditioning.positives_in_numerator=true", override]
    with pytest.raises(UserError) as caught:
        load_recipe("digits/contragan", overrides)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "override", ["data.classes=[3, 007, no]", "data={classes: [3, 007, no], KEEP}"]
)
def test_classes_are_called_what_is_written(override: str, tmp_path: Path) -> None:
    """Also where YAML sees a number, an octal one or a truth value."""
    rest = "kind: digits, resolution: 16, channels: 1, horizontal_flip: false, fake_labels: uniform"
    override = override.replace("KEEP", rest)
    assert load_recipe("digits/acgan", [override]).data.classes == ("3", "007", "no")
    own = tmp_path / "own.yaml"
    text = recipe_text("digits/acgan")
    own.write_text(text.replace("data: {", "data: {classes: [3, 007, no], "))
    assert load_recipe(str(own)).data.classes == ("3", "007", "no")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "conditioning.kind=projection",
            "conditioning.kind=projection needs no key beside kind: start from digits/projgan, "
            "which has it, or take its settings over: --set 'conditioning={kind: projection}'",
        ),
        (
            "augmentation.kind=ada",
            "augmentation.kind=ada needs the keys groups, target, ramp_images, interval: "
            "start from digits/biggan-ada, which has it, or take its settings over: "
            "--set 'augmentation={kind: ada, groups: [blit, geometry, color], target: 0.6, "
            "ramp_images: 20000, interval: 4}'",
        ),
        ("generator.kind=dcgan", "start from digits/ggan, which has it"),
    ],
)
def test_another_kind_is_told_its_keys_and_where_to_start(override: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe("digits/contragan", [override])
    assert expected in str(caught.value)
    assert "unknown key" not in str(caught.value)
    assert "is missing" not in str(caught.value)
    _, _, setting = str(caught.value).partition("--set '")
    if setting:
        assert load_recipe("digits/contragan", [setting[:-1]])


def test_diff_augment_has_the_published_policy() -> None:
    recipe = load_recipe("digits/biggan", ["augmentation.kind=diff_augment"])
    assert recipe.augmentation == load_recipe("digits/biggan-diffaugment").augmentation


def test_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'cifar10/contragan'"):
        load_recipe("cifar10/contragn")


def test_a_recipe_file_of_the_users_own(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "mine.yaml"
    path.write_text(recipe_text("digits/acgan"))
    assert load_recipe(str(path)) == load_recipe("digits/acgan")
    with pytest.raises(UserError, match="cannot read"):
        load_recipe(str(tmp_path / "none.yaml"))


def test_a_rectangle_is_written_as_it_is_read_and_a_square_as_ever() -> None:
    wide = load_recipe("folder/contragan-eq7-64", ["data.resolution=96x64"])
    assert "\n  resolution: 96x64\n" in dump_recipe(wide)
    assert parse_recipe(dump_recipe(wide), "dumped") == wide
    assert parse_recipe(explained(wide), "explained") == wide
    square = load_recipe("folder/contragan-eq7-64", ["data.resolution=64x64"])
    assert square == load_recipe("folder/contragan-eq7-64")
    assert "\n  resolution: 64\n" in dump_recipe(square)


def test_a_network_of_squares_refuses_a_rectangle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BigGANTrunkConfig, "rectangles", False)
    with pytest.raises(UserError, match="discriminator biggan makes squares only, but data"):
        load_recipe("folder/contragan-eq7-64", ["data.resolution=96x64"])
    load_recipe("folder/contragan-eq7-64")
