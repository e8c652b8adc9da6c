"""Augmentations against pixel-by-pixel transcriptions; the adaptive probability."""

import math
from collections.abc import Callable

import pytest
import torch
from reference import augmentations as slow
from torch import Tensor

from contragan.augmentation import Augmentation
from contragan.augmentation.ada import AdaptiveAugmentation, AdaptiveConfig
from contragan.augmentation.diff_augment import DiffAugmentConfig
from contragan.augmentation.flip_shift import FlipShiftConfig
from contragan.augmentation.random_transforms import (
    Chance,
    blit,
    color,
    geometry,
    recolor,
    resample,
)
from contragan.core.transforms import flip_and_shift

CPU = torch.device("cpu")
COUNT, SIDE = 5, 8


def images(channels: int = 3) -> Tensor:
    random = torch.Generator().manual_seed(3)
    return torch.rand(COUNT, channels, SIDE, SIDE, dtype=torch.float64, generator=random) * 2 - 1


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def diff_augment(*policy: str) -> Augmentation:
    return DiffAugmentConfig(kind="diff_augment", policy=policy).build(CPU)


def adaptive(probability: float, **changes: object) -> AdaptiveAugmentation:
    settings = {
        "kind": "ada",
        "groups": ("blit", "geometry", "color"),
        "target": 0.5,
        "ramp_images": 100,
        "interval": 2,
    }
    augmentation = AdaptiveConfig(**settings | changes).build(CPU)
    augmentation.probability.fill_(probability)
    return augmentation


@pytest.mark.parametrize("channels", [1, 3])
def test_color(channels: int) -> None:
    x = images(channels)
    strength = torch.rand(3, COUNT, 1, 1, 1, generator=draws()).flatten(1)
    expected = [slow.colored(x[i].clone(), *strength[:, i].tolist()) for i in range(COUNT)]
    torch.testing.assert_close(diff_augment("color")(x, draws()), torch.stack(expected))


def test_translation() -> None:
    random = draws()
    down, right = (torch.randint(-1, 2, (COUNT, 1), generator=random) for _ in range(2))
    expected = [slow.translated(x, int(down[i]), int(right[i])) for i, x in enumerate(images())]
    assert down.abs().sum() + right.abs().sum() > 0
    out = diff_augment("translation")(images(), draws())
    torch.testing.assert_close(out, torch.stack(expected), rtol=0, atol=0)


def test_cutout() -> None:
    random = draws()
    rows, columns = (torch.randint(0, SIDE + 1, (COUNT, 1), generator=random) for _ in range(2))
    expected = [slow.cut(x, int(rows[i]), int(columns[i])) for i, x in enumerate(images())]
    out = diff_augment("cutout")(images(), draws())
    torch.testing.assert_close(out, torch.stack(expected), rtol=0, atol=0)


@pytest.mark.parametrize("move", [blit, geometry])
def test_resampling(move: Callable[[Chance, int, int], Tensor]) -> None:
    matrix = move(Chance(COUNT, torch.tensor(1.0), draws()), SIDE, SIDE)
    expected = [slow.resampled(x, m) for x, m in zip(images(), matrix, strict=True)]
    assert not torch.allclose(matrix, torch.eye(3).expand(COUNT, 3, 3))
    out = resample(images(), matrix)
    torch.testing.assert_close(out, torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_blit_moves_whole_pixels() -> None:
    matrix = blit(Chance(COUNT, torch.tensor(1.0), draws()), SIDE, SIDE)
    out = resample(images(), matrix)
    values = images().flatten().unique()
    nearest = (out.flatten()[:, None] - values).abs().amin(1)
    torch.testing.assert_close(nearest, torch.zeros_like(nearest), atol=1e-4, rtol=0)


def test_colour_matrices() -> None:
    matrix = color(Chance(400, torch.tensor(1.0), draws())).double()
    grey = torch.tensor([0.5, 0.5, 0.5, 1.0], dtype=torch.float64)
    # A grey pixel stays grey: hue and saturation act on colour only.
    seen = (matrix @ grey)[:, :3]
    torch.testing.assert_close(seen, seen.mean(1, keepdim=True).expand_as(seen), atol=1e-5, rtol=0)
    one = recolor(torch.full((400, 1, 1, 1), 0.5, dtype=torch.float64), matrix)
    torch.testing.assert_close(one.flatten(), seen[:, 0], atol=1e-5, rtol=0)
    brightness = (matrix[:, :3, 3].mean(1) / matrix[:, :3, :3].sum((1, 2)).mul(1 / 3)).std()
    assert float(brightness) == pytest.approx(0.2, abs=0.03)


def test_an_applied_share_follows_the_probability() -> None:
    chance = Chance(4000, torch.tensor(0.3), draws())
    applied = chance.gated(torch.ones(4000), 0.0).mean().item()
    assert applied == pytest.approx(0.3, abs=0.03)
    rotated = geometry(Chance(4000, torch.tensor(0.3), draws()), SIDE, SIDE)
    # Either of two rotations, or a change of aspect around none: at least p of the images turn.
    share = (rotated[:, 0, 1].abs() > 1e-6).float().mean().item()
    assert share == pytest.approx(0.3, abs=0.03)


def test_probability_zero_changes_nothing() -> None:
    out = adaptive(0.0)(images().float(), draws())
    torch.testing.assert_close(out, images().float(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["flip_shift", "diff_augment", "ada"])
def test_the_gradient_reaches_the_images(name: str, channels: int) -> None:
    table = {
        "flip_shift": FlipShiftConfig(kind="flip_shift").build(CPU),
        "diff_augment": diff_augment("color", "translation", "cutout"),
        "ada": adaptive(0.9),
    }
    x = images(channels)[:2, :, :4, :4].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: table[name](v, draws()), x)


def test_flip_shift_is_the_shared_transformation() -> None:
    out = FlipShiftConfig(kind="flip_shift").build(CPU)(images(), draws())
    torch.testing.assert_close(out, flip_and_shift(images(), draws()), rtol=0, atol=0)
    assert not torch.equal(out, images())


def test_the_probability_follows_the_sign_of_the_logits() -> None:
    augmentation = adaptive(0.0)
    sure, unsure = torch.tensor([3.0, 2.0, 1.0, -0.1]), torch.tensor([1.0, -1.0])
    for logit in (sure, sure.abs()):
        augmentation.observe(logit)
        augmentation.adapt()
    # Mean sign (2 + 4) / 8 exceeds the target 0.5, over 8 images of a ramp of 100.
    assert augmentation.probability.item() == pytest.approx(0.08)
    for _ in range(4):
        augmentation.observe(unsure)
        augmentation.adapt()
    assert augmentation.probability.item() == pytest.approx(0.0, abs=1e-6)
    for _ in range(100):
        augmentation.observe(sure.abs())
        augmentation.adapt()
    assert augmentation.probability.item() == 1.0


def test_the_state_goes_on_in_the_middle_of_an_interval() -> None:
    logits = [torch.randn(6, generator=draws(s)) + 0.8 for s in range(7)]
    whole, first, second = (adaptive(0.5) for _ in range(3))
    for index, logit in enumerate(logits):
        if index == 3:
            second.load_state_dict(first.state_dict())
        for augmentation in (whole, first if index < 3 else second):
            augmentation.observe(logit)
            augmentation.adapt()
    torch.testing.assert_close(whole.state_dict(), second.state_dict(), rtol=0, atol=0)
    assert not math.isclose(whole.probability.item(), 0.5)


def test_rotations_in_a_rectangle_keep_distances_in_pixels() -> None:
    height, width = 8, 12
    chance = Chance(200, torch.tensor(1.0), draws())
    pixels = torch.tensor([width, height, 2.0]) / 2

    def in_pixels(matrix: Tensor) -> Tensor:
        return pixels[:, None] * matrix / pixels

    turned = in_pixels(geometry(chance, height, width))[:, :2, :2]
    # Scaling and a change of aspect are the only stretches: their product is the determinant.
    one, other = torch.linalg.svdvals(turned).unbind(1)
    square = Chance(200, torch.tensor(1.0), draws())
    expected = torch.linalg.svdvals(geometry(square, SIDE, SIDE)[:, :2, :2])
    torch.testing.assert_close(torch.stack([one, other], 1), expected, rtol=1e-4, atol=1e-4)
    half_turns = in_pixels(blit(chance, height, width))[:, :2, :2]
    signs = half_turns.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(signs.abs(), torch.ones_like(signs), rtol=1e-5, atol=1e-5)
    assert sorted(map(tuple, signs.sign().unique(dim=0).tolist())) == [
        (-1, -1), (-1, 1), (1, -1), (1, 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "augmentation", [diff_augment("color", "translation", "cutout"), adaptive(1.0)]
)
def test_augmented_rectangles(augmentation: Augmentation) -> None:
    x = (torch.rand(4, 3, 8, 12, generator=draws(1)) * 2 - 1).requires_grad_()
    out = augmentation(x, draws())
    assert out.shape == x.shape
    out.square().sum().backward()
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())


def test_blit_moves_whole_pixels_of_a_rectangle() -> None:
    x = images().repeat(1, 1, 1, 2)
    out = resample(x, blit(Chance(COUNT, torch.tensor(1.0), draws()), SIDE, 2 * SIDE))
    nearest = (out.flatten()[:, None] - x.flatten().unique()).abs().amin(1)
    torch.testing.assert_close(nearest, torch.zeros_like(nearest), atol=1e-4, rtol=0)
