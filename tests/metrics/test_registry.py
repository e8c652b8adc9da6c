"""What may join the metrics, and what is said of what may not."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import contragan
from contragan.core.errors import UserError
from contragan.evaluation.protocol import evaluate_images
from contragan.evaluation.record import EvaluationRecord, metric_title
from contragan.evaluation.reference import ImageSet
from contragan.features.extractor import PixelExtractor
from contragan.metrics import Found, MeasuredSet, Metric, Score, Sets
from contragan.metrics.registry import METRICS, SCORES, registered
from contragan.recipes.evaluation import EvaluationConfig


class Spread(Metric):
    name = "spread"
    needs = frozenset({"features"})
    scores = (Score("spread", "spread of features", unit="variance"),)

    def compute(self, sets: Sets) -> Found:
        return Found({"spread": float(sets.generated.features.var())})


class SpreadAgain(Spread):
    scores = (Score("other", "other"),)


class OtherNameSameScore(Spread):
    name = "other"


class NeedsText(Spread):
    name = "reader"
    needs = frozenset({"features", "captions"})


class Nameless(Metric):
    def compute(self, sets: Sets) -> Found:
        return Found()


def test_a_metric_joins_by_its_name() -> None:
    assert list(registered(Spread)) == ["spread"]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (SpreadAgain, r"its name 'spread' is taken by .*Spread \("),
        (OtherNameSameScore, r"its score 'spread' is one of .*Spread \("),
        (NeedsText, r"it needs 'captions', which nothing provides. There are features, "),
        (Nameless, r"it has no name"),
    ],
)
def test_what_may_not_join_is_named_with_its_file(second: type[Metric], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        registered(Spread, second)
    assert f"{second.__module__}.{second.__qualname__} ({__file__})" in str(caught.value)


def _installs(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    point = EntryPoint("spread", value, "contragan.metrics")
    monkeypatch.setattr("contragan.core.registry.entry_points", lambda group: [point])


def test_an_installed_package_adds_a_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    _installs(monkeypatch, f"{__name__}:Spread")
    assert list(registered()) == ["spread"]


def test_an_installed_package_that_adds_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    _installs(monkeypatch, "pathlib:Path")
    with pytest.raises(UserError, match=r"pathlib.Path'> is not a contragan.metrics.Metric"):
        registered()


def test_the_file_of_an_installed_metric_can_be_imported_first(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from contragan.metrics.base import Metric, Score\n"
        "class Mine(Metric):\n"
        "    name = 'mine'\n"
        "    scores = (Score('mine', 'mine'),)\n"
        "    def compute(self, sets): ...\n"
    )
    facts = tmp_path / "mine-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[contragan.metrics]\nmine = mine:Mine\n")
    source = str(Path(contragan.__file__).parents[1])
    for first in ("mine", "contragan.recipes"):
        lines = f"import {first}; from contragan.metrics.registry import METRICS as all_of_them"
        done = subprocess.run(
            [sys.executable, "-c", f"{lines}; print(list(all_of_them)[-1])"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([source, str(tmp_path)])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("mine\n", "")


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(ValidationError, match="frechet_distance, kernel_distance, "):
        _config("frechet")


def test_what_a_metric_did_not_ask_for_cannot_be_had() -> None:
    images = MeasuredSet(np.zeros(2, np.int64), {"gaussian": lambda: None})
    with pytest.raises(LookupError, match=r"features were not kept: .* in its needs"):
        _ = images.features


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_every_metric_is_described_and_every_score_has_a_title(metric: Metric) -> None:
    assert type(metric).__doc__
    for score in metric.scores:
        assert score.title
        assert score.unit in {"share", "distance", "squared MMD", "score", "ratio"}
        assert SCORES[score.name] is score


def _config(*metrics: str) -> EvaluationConfig:
    return EvaluationConfig.model_validate(
        {
            "features": "pixels",
            "num_images": None,
            "reference": "test",
            "batch_norm": "running",
            "labels": "reference",
            "metrics": metrics,
        }
    )


def _images(seed: int) -> ImageSet:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 4, 4, 1), dtype=np.uint8)
    return ImageSet(pixels, np.arange(12) % 2, ("a", "b"), str(seed), f"set {seed}", "given")


def _evaluated(cache: Path) -> EvaluationRecord:
    config = _config("frechet_distance").model_copy(update={"metrics": ("spread",)})
    extractor = PixelExtractor((1, 4, 4), torch.device("cpu"))
    return evaluate_images(
        _images(0), reference=_images(1), config=config, extractor=extractor, cache_dir=cache
    )


def test_a_joined_metric_is_computed_with_its_title_and_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METRICS, "spread", Spread())
    monkeypatch.setitem(SCORES, "spread", Spread.scores[0])
    record = _evaluated(tmp_path)
    features = PixelExtractor((1, 4, 4), torch.device("cpu"))(
        torch.from_numpy(_images(0).images).permute(0, 3, 1, 2)
    ).features
    assert record.values == {"spread": pytest.approx(float(features.var(correction=0)))}
    assert metric_title(record, "spread") == "spread of features"
    assert record.lines(7)[0]["unit"] == "variance"


def test_a_score_that_its_metric_does_not_list_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unlisted(Spread):
        scores = ()  # type: ignore[assignment]

    monkeypatch.setitem(METRICS, "spread", Unlisted())
    with pytest.raises(UserError, match=r"Unlisted .* gave the score 'spread', which is not in"):
        _evaluated(tmp_path)
