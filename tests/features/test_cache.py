from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from contragan.core.cache import cache_folder
from contragan.core.errors import UserError
from contragan.core.gaussian import Gaussian
from contragan.core.processes import Ranks
from contragan.evaluation.real_features import RealFeatures
from contragan.evaluation.reference import ImageSet
from contragan.features.cache import Statistics, StatisticsCache, cache_key
from contragan.features.extractor import FeatureExtractor, Features
from contragan.features.feature_pass import FeaturePass
from contragan.features.load import load_extractor


class _Counting(FeatureExtractor):
    """Pixels, counting images; fails at image ``limit``."""

    def __init__(self, limit: int = 10**9) -> None:
        self.inner = load_extractor("pixels", image_shape=(1, 8, 8))
        self.name, self.dim, self.device = "counting", 64, torch.device("cpu")
        self.seen, self.limit = 0, limit

    def protocol(self) -> dict[str, object]:
        return {"extractor": "counting"}

    def __call__(self, images: Tensor) -> Features:
        self.seen += len(images)
        if self.seen > self.limit:
            return Features(torch.full((len(images), 64), torch.nan), None)
        return self.inner(images)


def _real(extractor: FeatureExtractor, folder: Path) -> RealFeatures:
    return RealFeatures(FeaturePass(extractor, 100, Ranks(), None), StatisticsCache(folder))


def test_second_pass_comes_from_the_cache(test_digits: ImageSet, tmp_path: Path) -> None:
    extractor = _Counting()
    first = _real(extractor, tmp_path)(test_digits, features=True)
    again = _real(extractor, tmp_path)(test_digits, features=True)
    moments = _real(extractor, tmp_path)(test_digits, features=False)
    assert extractor.seen == 597
    assert first.features is not None
    assert again.features is not None
    np.testing.assert_array_equal(first.features, again.features)
    assert isinstance(first.gaussian, Gaussian)
    assert isinstance(moments.gaussian, Gaussian)
    np.testing.assert_array_equal(first.gaussian.covariance, moments.gaussian.covariance)
    assert moments.features is None


def test_moments_alone_do_not_serve_features(test_digits: ImageSet, tmp_path: Path) -> None:
    extractor = _Counting()
    _real(extractor, tmp_path)(test_digits, features=False)
    assert _real(extractor, tmp_path)(test_digits, features=True).features is not None
    assert extractor.seen == 2 * 597


def test_changed_content_is_never_served(test_digits: ImageSet, tmp_path: Path) -> None:
    extractor = _Counting()
    old = _real(extractor, tmp_path)(test_digits, features=False)
    changed = replace(test_digits, images=255 - test_digits.images, fingerprint="other")
    new = _real(extractor, tmp_path)(changed, features=False)
    assert old.key != new.key
    assert not np.allclose(old.gaussian.mean, new.gaussian.mean)
    part = _real(extractor, tmp_path)(test_digits, features=False, indices=np.arange(50))
    assert part.gaussian.count == 50
    keys = {cache_key({"a": 1}), cache_key({"a": 2}), cache_key({"b": 1}), cache_key({})}
    assert len(keys) == 4


def test_a_failed_pass_leaves_nothing(test_digits: ImageSet, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not finite"):
        _real(_Counting(limit=300), tmp_path)(test_digits, features=True)
    assert not list(tmp_path.rglob("*.np*"))


def test_damaged_files_count_as_absent(test_digits: ImageSet, tmp_path: Path) -> None:
    extractor = _Counting()
    first = _real(extractor, tmp_path)(test_digits, features=True)
    for path in (tmp_path / "statistics").iterdir():
        path.write_bytes(path.read_bytes()[:50])
    again = _real(extractor, tmp_path)(test_digits, features=True)
    assert extractor.seen == 2 * 597
    np.testing.assert_array_equal(first.gaussian.mean, again.gaussian.mean)


def test_a_failed_write_keeps_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = StatisticsCache(tmp_path)
    cache.save(_statistics(1.0))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UserError, match=r"No space left .* set CONTRAGAN_CACHE"):
        cache.save(_statistics(2.0))
    loaded = cache.load("key", features=False)
    assert loaded is not None
    assert loaded.gaussian.mean[0] == 1.0
    assert not list(tmp_path.rglob("*.tmp*"))


def test_an_unwritable_cache_is_a_user_error(test_digits: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "statistics").write_text("in the way")
    with pytest.raises(UserError, match="CONTRAGAN_CACHE"):
        _real(_Counting(), tmp_path)(test_digits, features=False)


def test_racing_writers_and_readers_see_whole_files(tmp_path: Path) -> None:
    problems: list[str] = []

    def work(value: float) -> None:
        cache = StatisticsCache(tmp_path)
        for _ in range(15):
            cache.save(_statistics(value))
            found = cache.load("key", features=False)
            if (
                found is None
                or not isinstance(found.gaussian, Gaussian)
                or not (found.gaussian.covariance == found.gaussian.mean[0]).all()
            ):
                problems.append(f"{value}: {found}")

    threads = [threading.Thread(target=work, args=(float(value),)) for value in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONTRAGAN_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.delenv("CONTRAGAN_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "contragan"


def test_import_is_light() -> None:
    code = (
        "import sys, contragan.metrics; "
        "print([m for m in ('sklearn', 'matplotlib', 'torch_fidelity', 'timm', 'scipy.linalg') "
        "if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def _statistics(value: float) -> Statistics:
    gaussian = Gaussian(10, np.full(200, value), np.full((200, 200), value))
    return Statistics("key", gaussian, None)
