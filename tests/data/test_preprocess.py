from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from contragan.data.preprocess import Preprocess, TooSmall


def gradient(width: int, height: int) -> Image.Image:
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([x, y, x + y], 2).astype(np.uint8))


def test_an_image_of_the_right_size_keeps_its_pixels() -> None:
    image = gradient(32, 32)
    np.testing.assert_array_equal(Preprocess(32, 3, False)(image), np.asarray(image))


def test_crop_is_the_central_square_of_the_shorter_side() -> None:
    image = gradient(40, 16)
    np.testing.assert_array_equal(Preprocess(16, 3, False)(image), np.asarray(image)[:, 12:28])
    tall = gradient(16, 41)
    np.testing.assert_array_equal(Preprocess(16, 3, False)(tall), np.asarray(tall)[12:28])


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    small = Preprocess(16, 1, False)(Image.fromarray(stripes)).astype(int)
    # Away from the border, whose filter is cut off, one-pixel stripes average to grey.
    assert np.abs(small[2:-2, 2:-2] - 127.5).max() < 6


def test_small_images_are_refused_or_enlarged() -> None:
    with pytest.raises(TooSmall, match="20 x 15 pixels"):
        Preprocess(16, 3, False)(gradient(20, 15))
    assert Preprocess(16, 3, True)(gradient(8, 8)).shape == (16, 16, 3)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA", "1", "YCbCr"])
@pytest.mark.parametrize("channels", [1, 3])
def test_modes_agree_with_rgb(mode: str, channels: int) -> None:
    grey = gradient(16, 16).convert("L").point(lambda value: 255 * (value > 12))
    expected = np.asarray(grey)[..., None].repeat(channels, 2)
    image = grey.convert("RGB").convert(mode)
    actual = Preprocess(16, channels, False)(image)
    np.testing.assert_allclose(actual.astype(int), expected, atol=2)


def test_sixteen_bit_images_are_scaled_not_clipped() -> None:
    values = (np.arange(256, dtype=np.uint16).reshape(16, 16) * 257).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "png")
    pixels = Preprocess(16, 1, False)(Image.open(buffer))
    np.testing.assert_array_equal(pixels[..., 0], np.arange(256).reshape(16, 16))


def test_transparency_lies_over_the_background() -> None:
    pixels = np.full((16, 16, 4), 200, np.uint8)
    pixels[:, :8, 3] = 0
    pixels[:, 8:, 3] = 255
    for colour, value in (("white", 255), ("black", 0), ("#336699", (0x33, 0x66, 0x99))):
        result = Preprocess(16, 3, False, background=colour)(Image.fromarray(pixels))
        assert (result[:, :8] == value).all()
        assert (result[:, 8:] == 200).all()
    assert (Preprocess(16, 3, False)(Image.fromarray(pixels))[:, :8] == 255).all()


def test_exif_orientation_is_applied() -> None:
    image = gradient(16, 16)
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    buffer = io.BytesIO()
    image.save(buffer, "png", exif=exif)
    np.testing.assert_array_equal(
        Preprocess(16, 3, False)(Image.open(buffer)), np.asarray(image)[::-1, ::-1]
    )
