"""Sampling: reproducible image by image, with clear errors."""

from pathlib import Path
from typing import Any

import pytest
import torch

import contragan
from contragan.core.devices import find_device
from contragan.core.errors import UserError
from contragan.models.batch_norm import evaluation_mode
from contragan.runs.sampling import ImageSampler, standing_batches


def test_shape_and_order(trained_run: Path) -> None:
    model = contragan.load(trained_run)
    images = model.sample(classes=["3", 7], num=5)
    assert images.shape == (5, 1, 16, 16)
    assert images.dtype == torch.uint8
    assert model.labels(["3", 7], 5).tolist() == [3, 7, 3, 7, 3]
    assert len(model.sample()) == 10


def test_the_same_seed_gives_the_same_images(trained_run: Path) -> None:
    model = contragan.load(trained_run)
    first = model.sample(num=20, seed=4)
    assert torch.equal(first, contragan.load(trained_run).sample(num=20, seed=4))
    assert not torch.equal(first, model.sample(num=20, seed=5))


def test_an_image_does_not_depend_on_its_batch(trained_run: Path) -> None:
    model = contragan.load(trained_run)
    labels = torch.arange(10).repeat(60)
    whole = ImageSampler(model.generator, 0).floats(labels)
    sampler = ImageSampler(model.generator, 0)
    parts = torch.cat([sampler.floats(part) for part in torch.split(labels, 47)])
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-5)


def test_truncation_bounds_the_latent(trained_run: Path) -> None:
    model = contragan.load(trained_run)
    latent = ImageSampler(model.generator, 0, truncation=0.5).latents(500)
    assert float(latent.abs().max()) <= 0.5
    assert 0.2 < float(latent.std()) < 0.35  # uniform-like: 0.5 / sqrt(3) = 0.289 at most
    wide = ImageSampler(model.generator, 0).latents(500)
    assert float(wide.std()) == pytest.approx(1, abs=0.05)


def test_samples_are_truncated_where_asked(trained_run: Path) -> None:
    model = contragan.load(trained_run)
    found = model.sample(num=10, seed=2, truncation=0.3)
    expected = ImageSampler(model.generator, 2, truncation=0.3)(torch.arange(10))
    assert torch.equal(found, expected)
    assert not torch.equal(found, model.sample(num=10, seed=2))


def test_classes_come_in_the_order_asked_for(trained_run: Path) -> None:
    model = contragan.load(trained_run)
    assert model.labels(["7", "0", "3"], 5).tolist() == [7, 0, 3, 7, 0]
    found = model.sample(classes=["7", "0", "3"], num=3, seed=1)
    assert torch.equal(found, ImageSampler(model.generator, 1)(torch.tensor([7, 0, 3])))


def test_images_at_their_places(trained_run: Path) -> None:
    """Any part of the sequence, in any order: as several processes draw their shares."""
    model = contragan.load(trained_run)
    labels = torch.arange(600) % 10
    whole = ImageSampler(model.generator, 0).floats(labels)
    sampler = ImageSampler(model.generator, 0)
    for start, stop in ((500, 560), (20, 40), (250, 270), (0, 10)):
        part = sampler.at(labels[start:stop], torch.arange(start, stop))
        torch.testing.assert_close(part, whole[start:stop], rtol=1e-4, atol=1e-5)


def test_no_latent_comes_twice(trained_run: Path) -> None:
    model = contragan.load(trained_run)
    latents = [
        ImageSampler(model.generator, seed, purpose=purpose).latents(600)
        for seed in (0, 1)
        for purpose in ("sample", "evaluation")
    ]
    rows = torch.cat(latents)
    assert len(torch.unique(rows, dim=0)) == len(rows) == 2400


def test_a_checkpoint_can_be_named(trained_run: Path) -> None:
    checkpoint = trained_run / "checkpoints" / "step-0000004"
    assert contragan.load(checkpoint).iteration == 4
    assert contragan.load(trained_run, which="last").iteration == 8


@pytest.mark.parametrize(
    ("classes", "num", "expected"),
    [
        (["eleven"], 1, "no class 'eleven'"),
        (["10"], 1, "index below 10"),
        ([], 1, "no class was named"),
        (None, 0, "at least 1"),
    ],
)
def test_bad_requests(
    trained_run: Path, classes: list[str] | None, num: int, expected: str
) -> None:
    with pytest.raises(UserError, match=expected):
        contragan.load(trained_run).sample(classes=classes, num=num)


def test_batch_norm_statistics(trained_run: Path) -> None:
    """Standing ones are those of an evaluation; each choice gives images of its own."""
    images = {}
    for kind in ("running", "batch", "standing"):
        model = contragan.load(trained_run, batch_norm=kind)
        before = {name: value.clone() for name, value in model.generator.state_dict().items()}
        images[kind] = model.sample(num=20, seed=4)
        assert torch.equal(images[kind], model.sample(num=20, seed=4))
        for name, value in model.generator.state_dict().items():
            torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert torch.equal(images["running"], contragan.load(trained_run).sample(num=20, seed=4))
    assert not torch.equal(images["standing"], images["running"])
    assert not torch.equal(images["standing"], images["batch"])
    model = contragan.load(trained_run)
    settings, counts = model.run.recipe.evaluation, model.run.dataset.class_counts
    draw = standing_batches(model.generator, counts, settings.batch_size, seed=4)
    with evaluation_mode(
        model.generator, "standing", forward=draw, batches=settings.standing_batches
    ):
        expected = ImageSampler(model.generator, 4)(torch.arange(10).repeat(2))
    assert torch.equal(images["standing"], expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpu", "--device gpu is not a device"),
        ("meta", "--device meta is not a device"),
        ("cuda", "PyTorch finds no GPU here"),
    ],
)
def test_devices(
    trained_run: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto") == torch.device("cpu") == find_device("cpu")
    with pytest.raises(UserError, match=expected):
        contragan.load(trained_run, device=name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("auto") == torch.device("cuda")
    assert find_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UserError, match="the last GPU here is cuda:1"):
        find_device("cuda:2")


def test_one_class_needs_no_list(trained_run: Path) -> None:
    model = contragan.load(trained_run)
    assert torch.equal(model.sample(4, num=2), model.sample(["4"], num=2))
    assert torch.equal(model.sample("4", num=2), model.sample([4], num=2))


@pytest.mark.parametrize("wrong", [-1, 99, [True], [False], ["ten"]])
def test_what_is_not_a_class_is_refused(trained_run: Path, wrong: Any) -> None:
    with pytest.raises(UserError, match="there is no class"):
        contragan.load(trained_run).sample(wrong, num=2)
