"""What an evaluation takes of memory and disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contragan.core.errors import UserError
from contragan.core.gaussian import Gaussian
from contragan.evaluation.protocol import evaluate_images
from contragan.evaluation.reference import ImageSet
from contragan.evaluation.room import bytes_needed, check_room
from contragan.features.feature_pass import Keep
from contragan.features.load import load_extractor
from contragan.metrics.frechet import frechet_distance_from_moments
from contragan.recipes.evaluation import EvaluationConfig

Settings = Callable[..., EvaluationConfig]


def noise(count: int, side: int, seed: int, name: str) -> ImageSet:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return ImageSet(images, np.arange(count) % 2, ("a", "b"), f"{name}-{seed}", name, "given")


def test_pixels_of_few_large_images_take_little(settings: Settings, tmp_path: Path) -> None:
    """12 images of 128 pixels once asked for a covariance of 19 GB."""
    extractor = load_extractor("pixels", image_shape=(3, 128, 128))
    sets = noise(12, 128, 0, "generated"), noise(12, 128, 1, "real")
    first, second = (
        evaluate_images(
            sets[0],
            reference=sets[1],
            config=settings(),
            extractor=extractor,
            cache_dir=tmp_path,
        ).values["frechet_distance"]
        for _ in range(2)
    )
    assert first == second  # the second time from the cache
    stored = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert 12 * 49152 * 4 <= stored < 5e6
    assert bytes_needed(Keep(), 49152, 12, 12) < 1e8
    # Few centred rows have orthogonal noise: |m|^2 + traces, less what little they share.
    rows = [images.images.reshape(12, -1) / 255 for images in sets]
    factors = [(part - part.mean(0)) / 11**0.5 for part in rows]
    shared = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    expected = np.square(rows[0].mean(0) - rows[1].mean(0)).sum()
    expected += sum(np.square(factor).sum() for factor in factors) - 2 * shared
    assert first == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("generated", "real"), [(40, 50), (40, 300), (300, 50), (300, 300)])
def test_rows_give_the_distance_that_covariances_give(
    generated: int, real: int, settings: Settings, tmp_path: Path
) -> None:
    sets = noise(generated, 8, 0, "generated"), noise(real, 8, 1, "real")
    found = evaluate_images(
        sets[0],
        reference=sets[1],
        config=settings(),
        extractor=load_extractor("pixels", image_shape=(3, 8, 8)),
        cache_dir=tmp_path,
    )
    rows = [images.images.reshape(len(images.images), -1) / 255 for images in sets]
    dense = [Gaussian(len(part), part.mean(0), np.cov(part, rowvar=False)) for part in rows]
    expected = frechet_distance_from_moments(*dense)
    assert found.values["frechet_distance"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("free", "metrics"),
    [(5e6, ("frechet_distance",)), (5e6, ("kernel_distance",)), (5e6, ("memorisation",))],
)
def test_what_will_not_fit_is_refused_before_anything_is_computed(
    free: float,
    metrics: tuple[str, ...],
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("contragan.core.memory.available_memory", lambda: int(free))
    extractor = load_extractor("pixels", image_shape=(3, 32, 32))
    monkeypatch.setattr(type(extractor), "__call__", lambda *_: pytest.fail("it was computed"))
    with pytest.raises(UserError, match=r"by 3,072 pixels features .* about \d+\.\d MB .* 5\.0 MB"):
        evaluate_images(
            noise(300, 32, 0, "generated"),
            reference=noise(320, 32, 1, "real"),
            config=settings(metrics=metrics),
            extractor=extractor,
            cache_dir=tmp_path,
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("metric", ["class_fidelity", "classification_accuracy"])
def test_what_metrics_by_class_hold_counts_too(metric: str, settings: Settings) -> None:
    """The probe's predictions for 1,000 classes, and copies of whole sets of images."""
    names = tuple(map(str, range(1000)))
    images = np.broadcast_to(np.zeros((1, 256, 256, 3), np.uint8), (10**8, 256, 256, 3))
    many = ImageSet(images, np.zeros(0, np.int64), names, "many", "many", "train")
    extractor = load_extractor("pixels", image_shape=(3, 4, 4))
    config = settings(metrics=(metric,))
    keep = Keep(features=metric == "class_fidelity")
    terabytes = "1,2" if metric == "class_fidelity" else "39,"
    with pytest.raises(UserError, match=rf"takes about {terabytes}\d\d.* GB"):
        check_room(config, keep, extractor, 100, many, None)


def test_the_estimate_grows_with_what_is_kept() -> None:
    plain = bytes_needed(Keep(), 49152, 60_000, 50_000)
    assert plain > 2 * 8 * 49152**2  # two covariances
    assert bytes_needed(Keep(features=True), 49152, 60_000, 50_000) > plain
    assert bytes_needed(Keep(), 2048, 50_000, 50_000) < 1e9
    with_training = bytes_needed(Keep(features=True), 2048, 10_000, 10_000, 50_000)
    assert with_training > bytes_needed(Keep(features=True), 2048, 10_000, 10_000)


def test_the_estimate_holds(settings: Settings, tmp_path: Path) -> None:
    """What numpy and torch allocate at most, measured, is near what was foretold."""
    import tracemalloc

    sets = noise(600, 16, 0, "generated"), noise(500, 16, 1, "real")
    extractor = load_extractor("pixels", image_shape=(3, 16, 16))
    tracemalloc.start()
    evaluate_images(
        sets[0], reference=sets[1], config=settings(), extractor=extractor, cache_dir=tmp_path
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    need = bytes_needed(Keep(), extractor.dim, 600, 500)
    assert 0.5 * need < peak < 1.5 * need
