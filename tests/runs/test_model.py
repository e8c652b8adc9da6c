"""Loading a trained generator: only what it needs, each file checked once, the same weights."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

import contragan
from contragan.core.errors import UserError
from contragan.models import Generator
from contragan.recipes.gan import build, build_unseeded_generator
from contragan.runs import checkpoint as checkpoint_module
from contragan.runs import model as model_module
from contragan.runs.checkpoint import checkpoints, load_network
from contragan.runs.run import open_run
from contragan.training.resume import find_checkpoint


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained_run, tmp_path / "run")
    return tmp_path / "run"


def newest(run: Path) -> Path:
    return checkpoints(run / "checkpoints")[-1]


@pytest.mark.parametrize("name", ["trainer.pt", "discriminator.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_files_of_training_are_not_needed(run: Path, name: str, damage: str) -> None:
    expected = contragan.load(run, which="last").sample(num=10)
    file = newest(run) / name
    file.unlink() if damage == "missing" else file.write_bytes(b"?")
    model = contragan.load(run, which="last")
    assert (model.checkpoint, model.notes) == (newest(run), [])
    assert torch.equal(model.sample(num=10), expected)
    assert contragan.load(newest(run)).iteration == model.iteration
    # To go on with training takes them all.
    earlier = find_checkpoint(open_run(run), Console(quiet=True))
    assert earlier.checkpoint == checkpoints(run / "checkpoints")[0]


def test_a_damaged_generator_is_passed_over_once(run: Path) -> None:
    file = newest(run) / "generator_ema.safetensors"
    if not file.is_file():
        file = newest(run) / "generator.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    model = contragan.load(run, which="last")
    assert model.checkpoint == checkpoints(run / "checkpoints")[0]
    (note,) = model.notes
    assert f"{file.name} is not as it was written" in note
    with pytest.raises(UserError, match="is not as it was written"):
        contragan.load(newest(run))


def test_a_manifest_that_does_not_list_the_generator(run: Path) -> None:
    manifest = json.loads((newest(run) / "manifest.json").read_text())
    manifest["sha256"] = {"trainer.pt": manifest["sha256"]["trainer.pt"]}
    (newest(run) / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"manifest\.json lacks generator\.safetensors"):
        contragan.load(newest(run))


def test_each_file_is_hashed_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    digest = checkpoint_module._digest

    def counted(path: Path) -> str:
        hashed.append(path.name)
        return digest(path)

    monkeypatch.setattr(checkpoint_module, "_digest", counted)
    ema = contragan.load(run).ema
    assert hashed == ["generator_ema.safetensors" if ema else "generator.safetensors"]
    hashed.clear()
    find_checkpoint(open_run(run), Console(quiet=True))
    assert sorted(hashed) == sorted(set(hashed))
    assert "trainer.pt" in hashed


def test_only_the_generator_is_built_and_nothing_drawn(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices: list[str] = []
    build_generator = build_unseeded_generator

    def watched(*args: Any) -> Generator:
        generator = build_generator(*args)
        devices.append(next(generator.parameters()).device.type)
        return generator

    def refused(*args: Any, **options: Any) -> None:
        raise AssertionError("a trunk was built")

    monkeypatch.setattr(model_module, "build_unseeded_generator", watched)
    monkeypatch.setattr("contragan.recipes.gan.build_trunk", refused)
    before = torch.get_rng_state()
    contragan.load(run)
    assert devices == ["meta"]
    assert torch.equal(before, torch.get_rng_state())


def test_the_weights_are_those_of_the_file(run: Path) -> None:
    """As read into a network that was built and initialised in full; spectral norm's too."""
    opened = open_run(run)
    expected = build(opened.recipe, opened.dataset.num_classes, seed=5).generator
    model = contragan.load(run)
    load_network(model.checkpoint, "generator_ema" if model.ema else "generator", expected)
    expected.eval().to(memory_format=torch.channels_last)
    found, wanted = model.generator.state_dict(), expected.state_dict()
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name
        assert found[name].stride() == tensor.stride(), name
        assert found[name].dtype == tensor.dtype, name
    assert not any(p.requires_grad for p in model.generator.parameters())
    assert not any(module.training for module in model.generator.modules())
    z, label = torch.randn(3, expected.latent_dim), torch.arange(3)
    with torch.no_grad():
        assert torch.equal(model.generator(z, label), expected(z, label))


def test_buffers_that_a_state_leaves_out(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An extension's generator may have some; the meta device has no values for them."""
    plain = contragan.load(run).sample(num=10)
    build_generator = build_unseeded_generator

    def extended(*args: Any) -> Generator:
        generator = build_generator(*args)
        generator.register_buffer("one_half", torch.full((1,), 0.5), persistent=False)
        return generator

    monkeypatch.setattr(model_module, "build_unseeded_generator", extended)
    before = torch.get_rng_state()
    model = contragan.load(run)
    assert model.generator.get_buffer("one_half").tolist() == [0.5]
    assert torch.equal(model.sample(num=10), plain)
    assert torch.equal(before, torch.get_rng_state())


def test_weights_of_another_architecture(run: Path) -> None:
    with torch.device("meta"):
        other = nn.Linear(2, 2)
    with pytest.raises(UserError, match="of another architecture than its recipe: missing: bias"):
        load_network(newest(run), "generator", other)


def test_the_average_or_not(run: Path) -> None:
    averaged = (newest(run) / "generator_ema.safetensors").is_file()
    assert contragan.load(run, ema=False).ema is False
    if averaged:
        assert contragan.load(run, ema=True).ema is True
    else:
        with pytest.raises(UserError, match="holds no moving average"):
            contragan.load(run, ema=True)


def test_a_run_without_a_best_checkpoint_says_which_it_took(
    trained_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    (run / "checkpoints" / "best").unlink()
    (line,) = contragan.load(run).notes
    assert line == (
        "no checkpoint is marked as best (training marks one when it evaluates): "
        "step-0000008 is taken"
    )
    assert contragan.load(run, which="last").notes == []
