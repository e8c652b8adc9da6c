"""Published checkpoints become runs that sample, evaluate and train on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from in_process import exit_code
from PIL import Image
from safetensors.torch import load_file
from torch.testing import assert_close

from contragan.interop.studiogan_import import count_classes, with_their_layers
from contragan.models.biggan import BigGANGeneratorConfig
from contragan.models.heads.auxiliary_classifier import AuxiliaryClassifierConfig
from contragan.recipes.schema import load_recipe
from contragan.runs.model import load
from contragan.runs.run import open_run

VECTORS = Path(__file__).parents[1] / "vectors" / "studiogan"
BIGGAN = [
    "generator.channels=8",
    "generator.latent_dim=16",
    "generator.shared_dim=8",
    "discriminator.channels=8",
    "conditioning.embedding_dim=16",
    "training.precision=fp32",
    "training.batch_size=8",
    "training.total_iterations=2",
    "training.discriminator_steps=1",
    "training.evaluate_every_iterations=null",
]
RESNET = [f"{network}.channels=8" for network in ("generator", "discriminator")]


def import_words(name: str, recipe: str, out: Path, overrides: list[str]) -> list[str]:
    files = ["--generator", f"{VECTORS / name}.G.safetensors"]
    files += ["--discriminator", f"{VECTORS / name}.D.safetensors"]
    changes = [word for override in overrides for word in ("--set", override)]
    return ["import-studiogan", *files, "--recipe", recipe, "--out", str(out), *changes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten classes of three drawings."""
    root, random = tmp_path_factory.mktemp("classes"), np.random.default_rng(0)
    for name in "abcdefghij":
        (root / name).mkdir()
        for index in range(4):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


def test_the_generator_is_theirs(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = import_words("biggan32-2C", "cifar10/contragan", out, BIGGAN)
    assert exit_code(*words) == 0
    io = load_file(VECTORS / "biggan32-2C.io.safetensors")
    trained = load(out)
    with torch.no_grad():
        assert_close(trained.generator(io["z"], io["y"]), io["image"], atol=1e-4, rtol=0)
    assert trained.run.dataset.class_names == tuple("0123456789")
    settings = trained.run.recipe.generator.model_dump()
    assert settings["batch_norm_eps"] == pytest.approx(1e-4)
    assert exit_code("sample", str(out), "--classes", "3", "--out", str(tmp_path / "s.png")) == 0
    with Image.open(tmp_path / "s.png") as grid:
        assert grid.size[0] > 32


def test_projection_on_resnet(tmp_path: Path) -> None:
    recipe = "cifar10/sngan"
    settings = [*RESNET, "generator.latent_dim=16"]
    out = tmp_path / "run"
    code = exit_code(*import_words("resnet32-PD", recipe, out, settings))
    assert code == 0
    assert open_run(out).dataset.num_classes == 10
    io = load_file(VECTORS / "resnet32-PD.io.safetensors")
    with torch.no_grad():
        image = load(out).generator(io["z"], io["y"])
    assert_close(image, io["image"], atol=1e-4, rtol=0)


def test_it_evaluates_and_trains_on(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "run"
    recipe = "folder/contragan-eq7-32"
    words = import_words("biggan32-2C", recipe, out, BIGGAN)
    assert exit_code(*words, "--data", str(folder)) == 0
    assert open_run(out).dataset.class_names == tuple("abcdefghij")
    assert exit_code("evaluate", str(out), "--features", "pixels", "--num", "20") == 0
    changes = [word for override in BIGGAN for word in ("--set", override)]
    eps = ["--set", "generator.batch_norm_eps=1e-4", "--set", "discriminator.batch_norm_eps=1e-4"]
    more = ["train", recipe, "--data", str(folder), "--out", str(out), "--resume", *changes, *eps]
    assert exit_code(*more) == 0
    assert load(out, which="last").iteration == 2


def test_others_are_trained_from_it(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its classes have numbers for names, so none of the folder's is one of them."""
    source, out = tmp_path / "imported", tmp_path / "run"
    recipe = "folder/contragan-eq7-32"
    assert exit_code(*import_words("biggan32-2C", recipe, source, BIGGAN)) == 0
    settings = [*BIGGAN, "generator.batch_norm_eps=1e-4", "discriminator.batch_norm_eps=1e-4"]
    settings += ["training.generator_optimizer.learning_rate=1e-30"]
    changes = [word for setting in settings for word in ("--set", setting)]
    words = ["train", recipe, "--data", str(folder), "--out", str(out)]
    capsys.readouterr()
    code = exit_code(*words, "--from", str(source), *changes)
    said, errors = capsys.readouterr()
    assert (code, errors) == (0, "")
    said = " ".join(said.split())
    assert "each from the old class that is nearest to the discriminator: a from " in said
    assert "made anew" not in said
    recorded = open_run(out).fine_tuning
    assert recorded["run"] == str(source.resolve())
    assert [one["how"] for one in recorded["classes"]] == ["nearest"] * 10
    rows = [one["index"] for one in recorded["classes"]]
    before = load(source, ema=False).generator.state_dict()["shared.weight"][rows]
    after = load(out, which="last", ema=False).generator.state_dict()["shared.weight"]
    assert_close(after, before)


def test_numbered_classes_evaluate_on_as_many(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "run"
    assert exit_code(*import_words("biggan32-2C", "folder/contragan-eq7-32", out, BIGGAN)) == 0
    words = ["evaluate", str(out), "--features", "pixels", "--num", "20", "--data", str(folder)]
    assert exit_code(*words) == 0


@pytest.mark.parametrize(
    ("name", "recipe"),
    [("biggan32-2C", "cifar10/contragan"), ("resnet32-PD", "cifar10/projgan")],
)
def test_the_generator_alone_tells_the_number_of_classes(name: str, recipe: str) -> None:
    state = load_file(VECTORS / f"{name}.G.safetensors")
    wrapped = {f"module.{key}": value for key, value in state.items()}
    assert count_classes(load_recipe(recipe), state, {}) == 10
    assert count_classes(load_recipe(recipe), wrapped, {}) == 10
    assert count_classes(load_recipe("cifar10/dcgan"), {}, {}) is None


def test_layers_that_releases_build_differently_are_read_off() -> None:
    weight = torch.zeros(2, 2)
    normalised = {"blocks.0.0.bn1.gain.weight_orig": weight}
    plain = {"module.blocks.0.0.bn1.gain.weight": weight}
    name = "conditional_batch_norm_spectral_norm"
    for recipe in ("cifar10/sagan", "cifar10/sngan"):
        found = with_their_layers(load_recipe(recipe), normalised, {})
        assert found.generator.model_dump()[name] is True
        found = with_their_layers(load_recipe(recipe), plain, {})
        assert found.generator.model_dump()[name] is False
    classifier = load_recipe("cifar10/acgan")
    for state, bias in (({"linear2.bias": weight}, True), ({"linear2.weight": weight}, False)):
        found = with_their_layers(classifier, {}, state)
        assert isinstance(found.conditioning, AuxiliaryClassifierConfig)
        assert found.conditioning.bias is bias
    unconditional = load_recipe("cifar10/uncond-biggan")
    for state, inside in ((normalised, True), ({"blocks.0.0.bn1.weight": weight}, False)):
        found = with_their_layers(unconditional, state, {})
        assert isinstance(found.generator, BigGANGeneratorConfig)
        assert found.generator.latent_in_blocks is inside


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (["--set", "generator.channels=16"], "mis-shaped"),
        (["--set", "generator.attention_after_block=null"], "extra"),
        (["--generator", "nowhere.pth"], "no checkpoint at nowhere.pth"),
    ],
)
def test_what_does_not_fit_is_named(
    change: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = import_words("biggan32-2C", "cifar10/contragan", tmp_path / "run", BIGGAN)
    assert exit_code(*words, *change) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_taken_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert exit_code(*import_words("biggan32-2C", "cifar10/contragan", tmp_path, BIGGAN)) == 2
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_other_classes_start_from_it(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs, own = tmp_path / "theirs", tmp_path / "own"
    recipe = "folder/contragan-eq7-32"
    assert exit_code(*import_words("biggan32-2C", recipe, theirs, BIGGAN)) == 0
    capsys.readouterr()
    changes = [word for override in BIGGAN for word in ("--set", override)]
    changes += ["--set", "data.classes=[a, c, d]", "--set", "training.batch_size=4"]
    words = ["train", recipe, "--data", str(folder), "--out", str(own), "--from", str(theirs)]
    assert exit_code(*words, "--freeze-d", "1", *changes) == 0
    said = capsys.readouterr().out
    assert (
        "new classes, each from the old class that is nearest to the discriminator: a from" in said
    )
    assert "generator.batch_norm_eps 0.0001 there, 1e-05 here" in said
    assert [one["how"] for one in open_run(own).fine_tuning["classes"]] == ["nearest"] * 3
    assert exit_code("resume", str(own), "--set", "training.total_iterations=3") == 0
    assert load(own, which="last").iteration == 3
