from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from contragan.evaluation.reference import ImageSet
from contragan.features.extractor import FeatureExtractor
from contragan.metrics.memorisation import find_memorised

Pictures = np.ndarray


def _samples(count: int, seed: int, spread: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(count, 8)) * spread).astype(np.float32)


def _drawn(count: int, seed: int) -> Pictures:
    """Pictures (N, 3, 24, 24): three discs on a plain ground, all of random colours."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:24, :24]
    images = np.repeat(rng.integers(0, 255, (count, 3, 1, 1)), 24, 2).repeat(24, 3)
    for image in images:
        for _ in range(3):
            (y, x), radius = rng.uniform(3, 21, 2), rng.uniform(3, 8)
            inside = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
            image[:, inside] = rng.integers(0, 255, (3, 1))
    return images.astype(np.uint8)


def _as_jpeg(images: Pictures, quality: int = 75) -> Pictures:
    found = []
    for image in images:
        file = io.BytesIO()
        pixels = image.transpose(1, 2, 0)
        Image.fromarray(pixels if len(image) == 3 else pixels[..., 0]).save(
            file, "JPEG", quality=quality
        )
        found.append(np.atleast_3d(np.asarray(Image.open(file))).transpose(2, 0, 1))
    return np.stack(found)


def _moved(images: Pictures) -> Pictures:
    return np.concatenate([images[..., 1:], images[..., -1:]], axis=-1)


def _noisy(images: Pictures) -> Pictures:
    noise = np.random.default_rng(0).normal(scale=4, size=images.shape)
    return (images + noise).round().clip(0, 255).astype(np.uint8)


def _mirrored(images: Pictures) -> Pictures:
    return np.ascontiguousarray(images[..., ::-1])


CHANGES = [_as_jpeg, _moved, _noisy, _mirrored]


def _flat(images: Pictures) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32) / 255


def _low_pass(images: Pictures) -> np.ndarray:
    """Features that overlook fine detail, as a network may."""
    coarse = _flat(images).reshape(*images.shape[:2], 6, 4, 6, 4).mean((3, 5))
    rows: np.ndarray = coarse.reshape(len(images), -1)
    return rows


def _detail(images: Pictures) -> np.ndarray:
    """Features that see little beside fine detail, as a network does in drawings."""
    detail = np.abs(np.diff(images.astype(np.float32), axis=3)).mean(2)
    rows: np.ndarray = detail.reshape(len(images), -1)
    return rows


def test_copies_stand_out_and_are_found() -> None:
    training = _samples(400, 0)
    generated = _samples(300, 1)
    generated[[5, 17]] = training[[123, 45]]
    generated[50] = training[9] + 1e-3
    found = find_memorised(generated, training)
    assert found.closest(2).tolist() == [5, 17]
    assert found.closest(3)[2] == 50
    assert found.nearest[[5, 17, 50]].tolist() == [123, 45, 9]
    assert found.distances[5] == 0
    assert found.copied[[5, 17, 50]].all()
    assert found.copied_share < 0.05
    assert found.message() is None  # as many as chance explains
    assert find_memorised(training[:100] + 1e-4, training).copied_share == 1.0


def test_ratio_is_one_for_fresh_samples_and_grows_for_poor_ones() -> None:
    training = _samples(400, 0)
    assert find_memorised(_samples(300, 1), training).ratio == pytest.approx(1.0, abs=0.1)
    assert find_memorised(_samples(300, 1, spread=3.0), training).ratio > 2
    assert find_memorised(training, training).ratio == 0


def test_needs_two_training_images() -> None:
    with pytest.raises(ValueError, match="1 training"):
        find_memorised(_samples(3, 0), _samples(1, 0))
    # Of equal ones, only equal images are copies.
    equal = np.repeat(_samples(1, 0), 5, 0)
    assert find_memorised(equal[:2], equal).copied.tolist() == [True, True]
    assert find_memorised(equal[:2] + 1, equal).copied.tolist() == [False, False]
    pair = _samples(2, 0)
    assert find_memorised(pair, pair).copied.all()
    assert not find_memorised(_samples(5, 3), pair).copied.any()


@pytest.mark.parametrize("duplicates", [0, 3, 100])
def test_duplicates_in_the_training_set_hide_no_copies(duplicates: int) -> None:
    training = _samples(200, 0)
    training[200 - duplicates :] = training[:duplicates]
    exact = find_memorised(training, training)
    assert exact.copied_share == 1.0
    message = exact.message()
    assert message is not None
    assert "200 of 200 generated images (100.0%) copy a training image" in message
    assert find_memorised(training + 0.01, training).copied_share == 1.0
    fresh = find_memorised(_samples(1000, 1), training)
    assert fresh.copied_share < 0.03
    assert fresh.message() is None


def test_near_duplicates_in_the_training_set_hide_no_copies() -> None:
    training = np.concatenate([_samples(150, 0), _samples(50, 0) + 0.01])
    assert find_memorised(_samples(50, 0) + 0.005, training).copied_share == 1.0
    found = find_memorised(_samples(1000, 1), training)
    assert found.copied_share < 0.03
    assert found.real_copied_share == pytest.approx(0.5, abs=0.03)
    assert found.message() is None


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("features", [_flat, _low_pass, _detail])
@pytest.mark.parametrize("count", [20, 300])
def test_near_copies_of_drawings_are_found(
    change: Callable[[Pictures], Pictures],
    features: Callable[[Pictures], np.ndarray],
    count: int,
) -> None:
    training = _drawn(count, 0)
    training[-3:] = training[:3]
    copies = change(training[:100])
    found = find_memorised(features(copies), features(training), pictures=(copies, training))
    assert found.copied_share == 1.0
    same = found.nearest == np.arange(len(copies))
    assert same[:-3].all()
    assert found.message() is not None


@pytest.mark.parametrize("features", [_flat, _low_pass, _detail])
def test_fresh_drawings_are_no_copies(features: Callable[[Pictures], np.ndarray]) -> None:
    training, fresh = _drawn(300, 0), _drawn(500, 1)
    found = find_memorised(features(fresh), features(training), pictures=(fresh, training))
    assert found.copied_share < 0.02
    assert found.message() is None


@pytest.mark.parametrize("change", CHANGES[:3])
def test_near_copies_of_digits_are_found(
    change: Callable[[Pictures], Pictures],
    train_digits: ImageSet,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
) -> None:
    training = train_digits.images[:600].transpose(0, 3, 1, 2)
    training[-3:] = training[:3]
    copies, fresh = change(training[:100]), test_digits.images.transpose(0, 3, 1, 2)
    found = find_memorised(_flat(copies), _flat(training), pictures=(copies, training))
    assert found.copied_share > 0.97
    honest = find_memorised(_flat(fresh), _flat(training), pictures=(fresh, training))
    assert honest.copied_share < 0.02
    assert honest.message() is None
