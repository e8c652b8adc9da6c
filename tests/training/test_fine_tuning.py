"""A training that starts from a run of other classes: what it takes, freezes, records, refuses."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from contragan.core.errors import UserError
from contragan.data import ImageDataset
from contragan.recipes.gan import build
from contragan.recipes.schema import load_recipe
from contragan.runs.checkpoint import load_trainer, pointer, read_manifest, save_checkpoint
from contragan.runs.model import load
from contragan.runs.run import is_free, open_run
from contragan.training import fine_tuning
from contragan.training.fine_tuning import class_starts, take_over
from contragan.training.outcome import Outcome
from contragan.training.setup import Request
from contragan.training.starting_point import Source, find_source, requested_recipe
from contragan.training.train import train
from contragan.training.transfer import ClassStart

NAME = "digits/contragan"
OTHERS = ["data.classes=['7', '3']", "training.generator_optimizer.learning_rate=1e-3"]


def fine_tune(
    source: Path,
    out: Path,
    settings: list[str],
    iterations: int = 0,
    *,
    freeze: int | None = None,
    resume: bool = False,
    console: Console | None = None,
) -> Outcome:
    recipe, changed = requested_recipe(
        NAME,
        [*settings, f"training.total_iterations={iterations or 2}"],
        fine_tunes=True,
        freeze_d=freeze,
    )
    request = Request(NAME, recipe, out=out, resume=resume, overrides=changed, start_from=source)
    return train(request, console or Console(quiet=True))


def last(run: Path) -> Path:
    found = pointer(run / "checkpoints", "last")
    assert found is not None
    return found


def test_classes_of_the_same_name_begin_where_they_were(
    tmp_path: Path, trained_run: Path, tiny: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    still = ["training.generator_optimizer.learning_rate=1e-30"]
    console = Console(width=200)
    fine_tune(trained_run, tmp_path / "new", [*tiny, *OTHERS[:1], *still], console=console)
    said = capsys.readouterr().out
    assert "classes that keep what the old class of their name has learnt: 7, 3\n" in said
    assert "tensors taken: generator 74 of 74, discriminator 41 of 41\n" in said
    old = load(trained_run, which="best", ema=False)
    recorded = open_run(tmp_path / "new").fine_tuning
    assert recorded["checkpoint"] == str(old.checkpoint.resolve())
    assert [one["index"] for one in recorded["classes"]] == [7, 3]
    averaged = load_file(last(tmp_path / "new") / "generator_ema.safetensors")["shared.weight"]
    before = load_file(old.checkpoint / "generator_ema.safetensors")["shared.weight"]
    torch.testing.assert_close(averaged, before[[7, 3]], rtol=1e-4, atol=1e-5)


def test_the_lowest_blocks_keep_their_weights_and_a_resumed_run_ends_as_another(
    tmp_path: Path, trained_run: Path, tiny: list[str]
) -> None:
    settings = [*tiny, *OTHERS]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    fine_tune(trained_run, whole, settings, 6, freeze=1)
    fine_tune(trained_run, parts, settings, 3, freeze=1)
    fine_tune(trained_run, parts, settings, 6, freeze=1, resume=True)
    for name in ("generator", "generator_ema", "discriminator"):
        left = load_file(last(whole) / f"{name}.safetensors")
        right = load_file(last(parts) / f"{name}.safetensors")
        assert all(torch.equal(left[key], right[key]) for key in left), name
    before = load_file(
        Path(open_run(whole).fine_tuning["checkpoint"]) / "discriminator.safetensors"
    )
    after = load_file(last(whole) / "discriminator.safetensors")
    weights = [key for key in after if not key.endswith((".u", ".v")) and key in before]
    same = {key for key in weights if torch.equal(before[key], after[key])}
    frozen = {key for key in weights if key.startswith("trunk.blocks.0.")}
    assert same == frozen
    optimizer = load_trainer(last(whole))["discriminator_optimizer"]
    count = sum(not key.endswith((".u", ".v")) for key in after)
    assert len(optimizer["state"]) == count - len(frozen)
    assert open_run(whole).recipe.training.frozen_discriminator_blocks == 1


def lose_checkpoints(run: Path) -> None:
    """As if the run had been killed before its first."""
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()


def test_a_run_that_was_killed_before_its_first_checkpoint(
    tmp_path: Path, trained_run: Path, tiny: list[str]
) -> None:
    source = Path(shutil.copytree(trained_run, tmp_path / "source"))
    settings, out = [*tiny, *OTHERS], tmp_path / "new"
    fine_tune(source, out, settings, 3)
    before = load_file(last(out) / "generator.safetensors")
    lose_checkpoints(out)
    fine_tune(source, out, settings, 3, resume=True)
    after = load_file(last(out) / "generator.safetensors")
    assert all(torch.equal(before[key], after[key]) for key in before)
    lose_checkpoints(out)
    used = Path(open_run(out).fine_tuning["checkpoint"])
    manifest = json.loads((used / "manifest.json").read_text())
    networks = {
        name: load_file(used / f"{name}.safetensors")
        for name in ("generator", "generator_ema", "discriminator")
    }
    networks["generator"]["to_image.bias"] += 1
    facts = {"recipe": NAME, "class_names": manifest["class_names"]}
    save_checkpoint(used.parent, networks, load_trainer(used), facts)
    with pytest.raises(UserError, match=r"is not what the run in .*new began from"):
        fine_tune(source, out, settings, 3, resume=True)
    shutil.rmtree(source)
    with pytest.raises(UserError, match=r"--from: .* is not there"):
        fine_tune(source, out, settings, 3, resume=True)


def test_another_run_than_the_one_it_began_from(
    tmp_path: Path, trained_run: Path, tiny: list[str]
) -> None:
    settings = [*tiny, *OTHERS]
    fine_tune(trained_run, tmp_path / "new", settings)
    with pytest.raises(UserError, match=r"holds a run that began from .*: give another --out"):
        fine_tune(tmp_path / "other", tmp_path / "new", settings, resume=True)
    again = load_recipe(NAME, [*tiny, *OTHERS, "training.total_iterations=1"])
    train(Request(NAME, again, out=tmp_path / "fresh"), Console(quiet=True))
    request = Request(NAME, again, out=tmp_path / "fresh", resume=True, start_from=trained_run)
    with pytest.raises(UserError, match="began with fresh weights"):
        train(request, Console(quiet=True))


def test_another_head_is_made_anew_and_settings_that_differ_are_told(
    tmp_path: Path, trained_run: Path, tiny: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [*tiny, *OTHERS, "conditioning={kind: projection}", "generator.batch_norm_eps=1e-4"]
    fine_tune(trained_run, tmp_path / "new", settings, console=Console(width=200))
    said = capsys.readouterr().out
    assert "made anew: discriminator head.embedding.weight\n" in said
    assert "generator.batch_norm_eps 1e-05 there, 0.0001 here" in said


@pytest.mark.parametrize(
    ("settings", "freeze", "expected"),
    [
        (["data.resolution=32"], None, "draws images of 16 pixels, .* set data.resolution=16"),
        (["data.channels=3"], None, "draws images of 1 channels, .* set data.channels=1"),
        (
            ["generator.conditional=false", "conditioning={kind: unconditional}"],
            None,
            "holds a class-conditional generator, but the recipe has an unconditional",
        ),
        (
            ["generator.channels=16"],
            None,
            r"has another generator \(generator.channels 8 there, 16 here\), of which \d+% of the",
        ),
        ([], 9, "frozen_discriminator_blocks is 9, but the discriminator has 3 blocks"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_written(
    tmp_path: Path,
    trained_run: Path,
    tiny: list[str],
    settings: list[str],
    freeze: int | None,
    expected: str,
) -> None:
    with pytest.raises(UserError, match=expected):
        fine_tune(trained_run, tmp_path / "new", [*tiny, *settings], freeze=freeze)
    assert not (tmp_path / "new").exists() or is_free(tmp_path / "new")


def test_blocks_that_the_source_lacks_are_not_frozen(
    tmp_path: Path, trained_run: Path, tiny: list[str]
) -> None:
    settings = [*tiny, *OTHERS, "discriminator.attention_after_block=2"]
    with pytest.raises(UserError, match=r"would keep trunk\.attention\..*, which --from"):
        fine_tune(trained_run, tmp_path / "new", settings, freeze=2)


@pytest.mark.parametrize(
    ("place", "expected"),
    [(".", "--from: .* holds no run"), ("nowhere", "--from: .*nowhere is not there")],
)
def test_a_folder_that_is_not_a_run(
    tmp_path: Path, tiny: list[str], place: str, expected: str
) -> None:
    with pytest.raises(UserError, match=expected):
        fine_tune(tmp_path / place, tmp_path / "new", tiny)


def test_freezing_needs_weights(tmp_path: Path, tiny: list[str]) -> None:
    with pytest.raises(UserError, match=r"--freeze-d keeps weights that another run has trained"):
        requested_recipe(NAME, tiny, fine_tunes=False, freeze_d=1)
    recipe = load_recipe(NAME, [*tiny, "training.frozen_discriminator_blocks=1"])
    with pytest.raises(UserError, match=r"give that run as --from, or set it to 0"):
        train(Request(NAME, recipe, out=tmp_path / "new"), Console(quiet=True))


@pytest.mark.parametrize(("setting", "start"), [(None, 0), ("training.ema.start_iteration=7", 7)])
def test_the_moving_average_goes_on_from_the_one_taken(
    tiny: list[str], setting: str | None, start: int
) -> None:
    settings = tiny if setting is None else [*tiny, setting]
    recipe, changed = requested_recipe(NAME, settings, fine_tunes=True)
    assert recipe.training.ema is not None
    assert recipe.training.ema.start_iteration == start
    assert changed == tuple(settings)
    fresh, _ = requested_recipe(NAME, tiny, fine_tunes=False)
    assert fresh == load_recipe(NAME, tiny)


def test_of_a_run_the_best_checkpoint_is_taken_else_the_last(
    tmp_path: Path, trained_run: Path
) -> None:
    run = Path(shutil.copytree(trained_run, tmp_path / "run"))
    quiet = Console(quiet=True)
    for name in ("step-0000004", "step-0000008"):
        (run / "checkpoints" / "best").write_text(name)
        assert find_source(run, quiet).checkpoint.name == name
        assert find_source(run / "checkpoints" / "step-0000004", quiet).manifest["iteration"] == 4
    (run / "checkpoints" / "best").unlink()
    assert find_source(run, quiet).checkpoint.name == "step-0000008"


def test_each_network_takes_what_is_its_own(
    tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moving average goes on from the source's average, and not from its generator."""
    recipe = load_recipe(NAME, tiny)
    old, averaged = build(recipe, 3, seed=1), build(recipe, 3, seed=2).generator
    states = {
        "generator": old.generator.state_dict(),
        "generator_ema": averaged.state_dict(),
        "discriminator": old.discriminator.state_dict(),
    }
    monkeypatch.setattr(fine_tuning, "read_network", lambda checkpoint, name: states[name])
    run = SimpleNamespace(recipe=recipe, path="old", name="old")
    source = SimpleNamespace(
        run=run, checkpoint="old", classes=SimpleNamespace(num_classes=3), holds_average=True
    )
    gan, average = build(recipe, 2, seed=3), build(recipe, 2, seed=4).generator
    starts = [ClassStart("b", "same name", 1, "b"), ClassStart("new", "nearest", 0, "a")]
    taken = take_over(gan, cast("Source", source), starts, recipe)
    taken.give_average(average)
    for network, name in (
        (gan.generator, "generator"),
        (gan.discriminator, "discriminator"),
        (average, "generator_ema"),
    ):
        assert not taken.networks[name].anew
        found = network.state_dict()
        whole = taken.networks[name].whole
        assert all(torch.equal(found[key], states[name][key]) for key in whole), name
        assert len(whole) > 30
    expected = states["generator_ema"]["shared.weight"][[1, 0]]
    assert torch.equal(average.state_dict()["shared.weight"], expected)


def test_a_new_class_starts_from_the_one_that_its_images_look_like(
    trained_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A discriminator is pretended that takes images of grey level k for class k."""

    def by_level(network: object, images: torch.Tensor, num_classes: int) -> torch.Tensor:
        level = round((float(images.mean()) + 1) * 127.5)
        return torch.nn.functional.one_hot(torch.tensor(level), num_classes).float()

    monkeypatch.setattr(fine_tuning, "label_scores", by_level)
    run = open_run(trained_run)
    checkpoint = last(trained_run)
    source = Source(run, checkpoint, read_manifest(checkpoint), run.dataset)
    labels = np.repeat(np.arange(3), 5)
    levels = np.array([8, 4, 6], np.uint8)[labels]
    images = np.broadcast_to(levels[:, None, None, None], (15, 16, 16, 1))
    data = ImageDataset(images, labels, ("eel", "7", "owl"), "made up", "made up", "train")
    starts = class_starts(source, data, torch.device("cpu"), Console(quiet=True))
    assert [(one.name, one.how, one.origin) for one in starts] == [
        ("eel", "nearest", "8"),
        ("7", "same name", "7"),
        ("owl", "nearest", "6"),
    ]
