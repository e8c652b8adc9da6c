from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from contragan.core.resolution import Rectangle
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


def _halves(width: int, height: int) -> Image.Image:
    """The left half red, the right half blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = pixels[:, width // 2 :, 2] = 200
    return Image.fromarray(pixels)


def test_padding_keeps_all_of_an_image_on_the_background() -> None:
    pad = Preprocess(16, 3, enlarges=False, background="#00ff00", fit="pad")
    square = pad(_halves(64, 32))
    assert square.shape == (16, 16, 3)
    np.testing.assert_array_equal(square[[0, 3, 12, 15]], np.full((4, 16, 3), (0, 255, 0)))
    np.testing.assert_array_equal(square[4:12, :5], np.full((8, 5, 3), (200, 0, 0)))
    np.testing.assert_array_equal(square[4:12, 11:], np.full((8, 5, 3), (0, 0, 200)))
    assert pad.remarks(_halves(64, 32)) == ("padded with data.background to a square",)
    # What must be large enough is the longer side.
    assert pad(_halves(16, 8)).shape == (16, 16, 3)
    with pytest.raises(TooSmall):
        pad(_halves(15, 15))
    grey = Preprocess(16, 1, enlarges=False, background="black", fit="pad")(_halves(64, 32))
    assert grey.shape == (16, 16, 1)
    assert grey[0].max() == 0


def test_stretching_keeps_all_of_an_image_distorted() -> None:
    stretch = Preprocess(16, 3, enlarges=False, fit="stretch")
    square = stretch(_halves(64, 32))
    np.testing.assert_array_equal(square[:, :5], np.full((16, 5, 3), (200, 0, 0)))
    np.testing.assert_array_equal(square[:, 11:], np.full((16, 5, 3), (0, 0, 200)))
    assert stretch.remarks(_halves(64, 32)) == ("stretched to a square",)
    assert stretch(_halves(16, 64)).shape == (16, 16, 3)
    with pytest.raises(TooSmall):
        stretch(_halves(64, 15))


PORTRAIT = Rectangle(12, 16)


def test_a_rectangle_is_cropped_from_the_middle() -> None:
    crop = Preprocess(PORTRAIT, 3, enlarges=False)
    wide, high = gradient(40, 32), gradient(24, 48)
    for image, box in ((wide, (8, 0, 32, 32)), (high, (0, 8, 24, 40))):
        expected = image.crop(box).resize((12, 16), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(crop(image), np.asarray(expected))
    same = gradient(12, 16)
    np.testing.assert_array_equal(crop(same), np.asarray(same))
    assert crop.remarks(_halves(60, 80)) == ()
    assert crop.remarks(_halves(80, 60)) == ("lost a third or more in the crop to 12 x 16",)
    for width, height in ((11, 40), (40, 15)):
        with pytest.raises(TooSmall, match=f"{width} x {height} pixels"):
            crop(gradient(width, height))
    assert "resolution=12x16 " in crop.key
    assert "resolution=16 " in Preprocess(16, 3, enlarges=False).key


def test_a_rectangle_is_padded_or_stretched() -> None:
    pad = Preprocess(PORTRAIT, 3, enlarges=False, background="#00ff00", fit="pad")
    found = pad(_halves(48, 32))
    assert found.shape == (16, 12, 3)
    np.testing.assert_array_equal(found[[0, 3, 12, 15]], np.full((4, 12, 3), (0, 255, 0)))
    np.testing.assert_array_equal(found[4:12, :3], np.full((8, 3, 3), (200, 0, 0)))
    assert pad(_halves(12, 2)).shape == (16, 12, 3)
    with pytest.raises(TooSmall):
        pad(_halves(11, 15))
    assert pad.remarks(_halves(48, 32)) == ("padded with data.background to 12 x 16",)
    assert pad.remarks(_halves(48, 64)) == ()
    stretch = Preprocess(PORTRAIT, 3, enlarges=True, fit="stretch")
    expected = _halves(48, 32).resize((12, 16), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(stretch(_halves(48, 32)), np.asarray(expected))
    assert stretch.remarks(_halves(48, 15)) == ("stretched to 12 x 16", "enlarged to 12 x 16")


@pytest.mark.parametrize("kind", ["jpeg", "tiff", "png"])
def test_a_photo_on_its_side_is_remarked_on_as_it_is_shown(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a portrait, as a camera on its side stores it
    buffer = io.BytesIO()
    _halves(64, 48).save(buffer, kind, exif=exif)
    crop = Preprocess(PORTRAIT, 3, enlarges=False)
    with Image.open(buffer) as image:
        assert crop.remarks(image) == ()
        top = crop(image)[:7].reshape(-1, 3).mean(0)
    np.testing.assert_allclose(top, (200, 0, 0), atol=8)


def test_what_is_lost_or_enlarged_is_told() -> None:
    crop = Preprocess(16, 3, enlarges=True)
    assert crop.remarks(_halves(48, 32)) == ("lost a third or more in the crop to a square",)
    assert crop.remarks(_halves(40, 32)) == ()
    assert crop.remarks(_halves(8, 8)) == ("enlarged to 16 x 16",)
    assert Preprocess(None, 3, enlarges=False).remarks(_halves(48, 32)) == ()


def test_the_usual_fit_has_the_key_it_always_had() -> None:
    """Caches of decoded images are found again."""
    key = "v2 exif centre-crop lanczos bicubic-enlarge=False resolution=16 channels=3 "
    assert Preprocess(16, 3, enlarges=False).key == f"{key}background=white value-range=None"
    padded, stretched = (
        Preprocess(16, 3, enlarges=False, fit="pad").key,
        Preprocess(16, 3, enlarges=False, fit="stretch").key,
    )
    assert len({padded, stretched, f"{key}background=white value-range=None"}) == 3
