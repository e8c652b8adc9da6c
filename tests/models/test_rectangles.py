"""Networks whose images are wider than high, or higher than wide."""

from collections.abc import Callable

import pytest
import torch

from contragan.core.resolution import Rectangle, height_width
from contragan.models import Generator, Trunk
from contragan.models.base import check_resolution, doublings, start
from contragan.models.residual import LAYOUTS

SIZES = [Rectangle(16, 24), Rectangle(40, 24), Rectangle(96, 32)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["dcgan", "resgan", "biggan"])
def test_images_and_features_of_a_rectangle(
    kind: str,
    size: Rectangle,
    new_generator: Callable[..., Generator],
    new_trunk: Callable[..., Trunk],
) -> None:
    generator, trunk = new_generator(kind, size), new_trunk(kind, size)
    images = generator(torch.randn(2, 60), torch.tensor([0, 3]))
    assert images.shape == (2, 3, *height_width(size))
    features = trunk(images)
    assert features.shape == (2, trunk.feature_dim)
    features.square().sum().backward()
    for network in (generator, trunk):
        for name, weight in network.named_parameters():
            assert weight.grad is not None, name
            assert bool(weight.grad.isfinite().all()), name


def test_a_start_is_of_the_shape_of_the_images() -> None:
    assert (start(Rectangle(48, 64)), doublings(Rectangle(48, 64))) == ((8, 6), 3)
    assert (start(Rectangle(128, 80)), start(64), doublings(64)) == ((5, 8), (4, 4), 4)
    # Blocks and widths are those of a square of the shorter side.
    assert doublings(Rectangle(512, 96)) == doublings(96)


@pytest.mark.parametrize(
    ("width", "height", "nearest"),
    [
        (48, 60, "48x56 or 48x64"),
        (60, 48, "56x48 or 64x48"),
        (50, 64, "48x64 or"),
        (16, 700, "16x512 or"),
        (8, 16, "16 or"),
    ],
)
def test_sides_that_do_not_fit_are_refused(width: int, height: int, nearest: str) -> None:
    with pytest.raises(
        ValueError, match=f"no layout for resolution {width}x{height}; use {nearest}"
    ):
        check_resolution("generator", Rectangle(width, height), tuple(LAYOUTS))


@pytest.mark.parametrize("size", [*SIZES, Rectangle(48, 64), Rectangle(512, 320)], ids=str)
def test_sides_that_fit(size: Rectangle) -> None:
    check_resolution("generator", size, tuple(LAYOUTS))
