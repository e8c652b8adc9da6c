"""The protocols of published scores: what is drawn, what is rounded, and what may stand beside."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from in_process import exit_code
from torch import Tensor, nn

from contragan.core.errors import UserError
from contragan.evaluation.comparison import compare
from contragan.evaluation.protocol import IndexedDraw, evaluate, evaluate_images, label_sequence
from contragan.evaluation.published import protocol_differences, published_line, with_published
from contragan.evaluation.record import EvaluationRecord, table_rows
from contragan.evaluation.reference import ImageSet
from contragan.features.extractor import FeatureExtractor, NetworkExtractor
from contragan.features.load import load_extractor
from contragan.metrics.frechet import frechet_distance
from contragan.recipes.evaluation import EvaluationConfig, named_protocol
from contragan.recipes.schema import Recipe, dump_recipe, load_recipe
from contragan.runs.log import read_metrics

Settings = Callable[..., EvaluationConfig]


def test_random_labels_are_independent_draws(test_digits: ImageSet, settings: Settings) -> None:
    config = settings(labels="random", num_images=5000)
    labels = label_sequence(test_digits, config, 3)
    np.testing.assert_array_equal(labels, label_sequence(test_digits, config, 3))
    assert not np.array_equal(labels, label_sequence(test_digits, config, 4))
    counts = np.bincount(labels, minlength=10)
    # 500 each on average; the standard deviation of a binomial count is 21.2.
    assert np.abs(counts - 500).max() < 5 * 21.2
    assert len(set(counts.tolist())) > 1
    exact = np.bincount(label_sequence(test_digits, settings(labels="uniform", num_images=5000), 3))
    assert exact.tolist() == [500] * 10


def between_levels(labels: Tensor, indices: Tensor) -> Tensor:
    """Grey images whose pixels lie between the 256 levels of a file."""
    values = torch.stack([torch.rand(64, generator=torch.Generator().manual_seed(int(i)))
                          for i in indices])  # fmt: skip
    return values.view(-1, 1, 8, 8) * 1.9 - 0.95


@pytest.mark.parametrize("rounding", [True, False])
def test_rounding_is_a_setting(
    rounding: bool,
    test_digits: ImageSet,
    pixels: FeatureExtractor,
    settings: Settings,
    tmp_path: Path,
) -> None:
    config = settings(rounding=rounding, num_images=100)
    record = evaluate(
        IndexedDraw(between_levels),
        reference=test_digits,
        probe_train=None,
        config=config,
        extractor=pixels,
        cache_dir=tmp_path,
    )
    levels = (between_levels(torch.zeros(100), torch.arange(100)) + 1) * 127.5
    real = torch.from_numpy(test_digits.images).permute(0, 3, 1, 2).flatten(1) / 255
    rounded, exact = (
        frechet_distance(images.flatten(1) / 255, real) for images in (levels.round(), levels)
    )
    assert abs(rounded - exact) > 1e-5 * exact
    expected = rounded if rounding else exact
    assert record.values["frechet_distance"] == pytest.approx(expected, rel=1e-6)
    assert record.protocol["rounding"] is rounding


def test_values_beyond_the_range_are_clamped_either_way(
    test_digits: ImageSet, pixels: FeatureExtractor, settings: Settings, tmp_path: Path
) -> None:
    def beyond(labels: Tensor, indices: Tensor) -> Tensor:
        return torch.where(indices[:, None, None, None] % 2 == 0, 1.5, -1.5).expand(-1, 1, 8, 8)

    found = [
        evaluate(
            IndexedDraw(beyond),
            reference=test_digits,
            probe_train=None,
            config=settings(rounding=rounding, num_images=20),
            extractor=pixels,
            cache_dir=tmp_path,
        ).values
        for rounding in (True, False)
    ]
    assert found[0] == found[1]


def test_images_kept_for_other_metrics_are_rounded(
    test_digits: ImageSet, pixels: FeatureExtractor, settings: Settings, tmp_path: Path
) -> None:
    pictures: list[Any] = []
    evaluate(
        IndexedDraw(between_levels),
        reference=test_digits,
        probe_train=None,
        config=settings(rounding=False, num_images=40, metrics=("memorisation",)),
        extractor=pixels,
        cache_dir=tmp_path,
        closest_pairs=pictures.append,
    )
    (pairs,) = pictures
    assert pairs.generated.dtype == np.uint8
    assert pairs.generated.std() > 30


def test_rounded_images_do_not_pass_for_others(
    test_digits: ImageSet, pixels: FeatureExtractor, settings: Settings, tmp_path: Path
) -> None:
    def rounded(labels: Tensor, indices: Tensor) -> Tensor:
        return torch.zeros(len(labels), 1, 8, 8, dtype=torch.uint8)

    config = settings(rounding=False)
    with pytest.raises(UserError, match=r"not rounded to 8 bits.*rounding: true"):
        evaluate(
            IndexedDraw(rounded),
            reference=test_digits,
            probe_train=None,
            config=config,
            extractor=pixels,
            cache_dir=tmp_path,
        )
    record = evaluate_images(
        test_digits, reference=test_digits, config=config, extractor=pixels, cache_dir=tmp_path
    )
    assert record.protocol["rounding"] is True
    assert any("8 bits" in warning for warning in record.warnings)


def test_float_images_reach_a_network_as_they_are() -> None:
    torch.manual_seed(0)
    extractor = NetworkExtractor(
        "flat",
        nn.Flatten(),
        dim=3 * 299 * 299,
        input_size=299,
        resize="bilinear",
        shift=(127.5,) * 3,
        scale=(127.5,) * 3,
        weights="none",
    )
    levels = torch.rand(2, 3, 32, 32) * 255
    prepared = extractor.prepare(levels)
    resized = torch.nn.functional.interpolate(levels, size=(299, 299), mode="bilinear")
    torch.testing.assert_close(prepared, resized / 127.5 - 1, rtol=1e-5, atol=1e-5)
    pixels = load_extractor("pixels", image_shape=(3, 32, 32))
    torch.testing.assert_close(pixels(levels).features, levels.flatten(1) / 255)


def record_of(config: EvaluationConfig, **changes: Any) -> EvaluationRecord:
    """A record of a CIFAR-10 run that followed ``config``."""
    extractor = {"extractor": config.features, "resize": config.resize, "precision": "float32"}
    return EvaluationRecord(
        values={"frechet_distance": 11.0},
        class_fidelity=None,
        protocol={
            **config.model_dump(mode="json"),
            "extractor": extractor,
            "data": {"name": "cifar10", "split": "test", "fingerprint": "f"},
        },
        counts={"generated": 10_000, "reference": 10_000},
        seed=0,
        context={"iteration": 80_000, "ema": True},
        versions={},
        warnings=(),
        wall_seconds=1.0,
    )


@pytest.fixture(scope="module")
def contragan() -> Recipe:
    return load_recipe("cifar10/contragan")


def test_the_published_score_stands_beside_its_own_protocol(contragan: Recipe) -> None:
    record = with_published(record_of(named_protocol("contragan-paper")), contragan)
    facts = record.details["published"]
    assert (facts["fid"], facts["differences"]) == (10.597, {})
    assert facts["selection"] == "best evaluation of a run"
    line = published_line(record)
    assert line is not None
    assert line.startswith("published FID: 10.597 (Kang and Park 2020")
    assert "best evaluation of a run" in line


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"features": "efficientnet-lite0"}, "features"),
        ({"resize": "tf-bilinear"}, "resize"),
        ({"batch_norm": "batch"}, "batch_norm"),
        ({"labels": "uniform"}, "labels"),
        ({"rounding": True}, "rounding"),
        ({"reference": "train"}, "reference"),
    ],
)
def test_no_published_score_beside_another_protocol(
    contragan: Recipe, changes: dict[str, Any], setting: str
) -> None:
    """Whatever name the record bears: the settings decide."""
    config = named_protocol("contragan-paper").model_copy(update=changes)
    assert config.protocol == "contragan-paper"
    record = with_published(record_of(config), contragan)
    assert list(record.details["published"]["differences"]) == [setting]
    line = published_line(record)
    assert line is not None
    assert "10.597" not in line
    here = "yes" if setting == "rounding" else getattr(config, setting)
    assert f"{setting} {here} instead of" in line
    assert "--protocol contragan-paper" in line


def test_counts_precision_and_weights_decide_too(contragan: Recipe) -> None:
    record = record_of(named_protocol("contragan-paper"))
    for change, name in (
        ({"counts": {"generated": 5_000, "reference": 10_000}}, "generated images"),
        ({"counts": {"generated": 10_000, "reference": 9_000}}, "reference images"),
        ({"context": {"ema": False}}, "averaged weights"),
    ):
        found = protocol_differences(replace(record, **change), "contragan-paper", contragan)
        assert list(found) == [name]
    narrow = {**record.protocol["extractor"], "precision": "bfloat16"}
    found = protocol_differences(
        replace(record, protocol={**record.protocol, "extractor": narrow}),
        "contragan-paper",
        contragan,
    )
    assert found == {"precision": ["bfloat16", "float32"]}
    plain = load_recipe("cifar10/sagan")  # trained without a moving average
    live = replace(record, context={"ema": False})
    assert protocol_differences(live, "contragan-paper", plain) == {}


def test_the_protocols_of_other_years_are_others(contragan: Recipe) -> None:
    record = with_published(record_of(named_protocol("studiogan-2021")), contragan)
    assert list(record.details["published"]["differences"]) == ["batch_norm"]
    later = load_recipe("cifar10/contragan-2020-10")
    assert (
        with_published(record_of(named_protocol("studiogan-2021")), later).details["published"][
            "differences"
        ]
        == {}
    )


def test_the_table_says_how_images_were_drawn() -> None:
    rows = dict(table_rows(record_of(named_protocol("contragan-paper"))))
    assert rows["generated images"] == "10000 (labels: random, not rounded to 8 bits)"
    rows = dict(table_rows(record_of(named_protocol("full"))))
    assert rows["generated images"] == "10000 (labels: reference)"


def test_recipes_without_a_protocol_show_no_score(contragan: Recipe) -> None:
    """A run of an older version may name a score and not its protocol."""
    older = contragan.model_copy(
        update={"reference": contragan.reference.model_copy(update={"published_protocol": None})}
    )
    record = record_of(named_protocol("contragan-paper"))
    assert with_published(record, older) == record
    assert published_line(record) is None


def test_records_of_the_former_protocol_bear_another_name() -> None:
    new = record_of(named_protocol("contragan-paper"))
    former = new.to_dict()
    former["protocol"] = {
        key: value for key, value in former["protocol"].items() if key != "rounding"
    } | {"batch_norm": "batch", "labels": "uniform"}
    read = EvaluationRecord.from_dict(former)
    assert read.protocol["protocol"] == "contragan-paper (version 1)"
    assert EvaluationRecord.from_dict(new.to_dict()).protocol["protocol"] == "contragan-paper"
    found = compare({"former": read, "new": new})
    assert not found.comparable
    assert found.differences == {
        "rounding": [True, False],
        "labels": ["uniform", "random"],
        "batch_norm": ["batch", "running"],
    }


def test_former_records_of_unchanged_protocols_stay_comparable() -> None:
    new = record_of(named_protocol("full"))
    former = new.to_dict()
    former["protocol"] = {k: v for k, v in former["protocol"].items() if k != "rounding"}
    read = EvaluationRecord.from_dict(former)
    assert read.protocol["protocol"] == "full"
    assert compare({"former": read, "new": new}).comparable


def test_an_unknown_protocol_in_a_recipe_is_explained() -> None:
    with pytest.raises(UserError, match="no such protocol, did you mean 'contragan-paper'"):
        load_recipe("cifar10/contragan", ["reference.published_protocol=contragan-papr"])


def test_evaluate_prints_what_differs_and_not_the_score(
    trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    recipe = load_recipe(str(run / "recipe.yaml"))
    reference = recipe.reference.model_copy(
        update={"published_fid": 12.345, "published_protocol": "contragan-paper"}
    )
    (run / "recipe.yaml").write_text(
        dump_recipe(recipe.model_copy(update={"reference": reference}))
    )
    assert exit_code("evaluate", run, "--num", 40) == 0
    captured = capsys.readouterr()
    said = " ".join((captured.out + captured.err).split())
    assert "the published FID is of another protocol (features pixels instead of inception" in said
    assert "12.345" not in said
    (line,) = [x for x in read_metrics(run / "metrics.jsonl") if x["name"] == "evaluation"][-1:]
    assert line["details"]["published"]["fid"] == 12.345
