"""Interpolation, truncation and neighbours: their ends, their scores, their files."""

from __future__ import annotations

import csv
import doctest
import importlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from scipy import stats

import contragan
from contragan.analysis.animation import frames, save_moving
from contragan.analysis.interpolation import (
    draw_interpolation,
    read_interpolation,
)
from contragan.analysis.neighbours import draw_neighbours, read_neighbours
from contragan.analysis.truncation import Truncation, draw_truncation, read_truncation, squeezed
from contragan.runs.between import latent_path
from contragan.runs.log import read_metrics

from .conftest import Plot

QUIET = Console(quiet=True)


def test_paths_begin_and_end_at_their_latents_and_classes(trained_run: Path) -> None:
    found = read_interpolation(trained_run, QUIET, classes=["3", "8", "1"], steps=5, seed=2)
    model = contragan.load(trained_run)
    first, second = model.latents(2, seed=2)
    ends = model.generate(torch.stack([first, second]), [3, 3]).numpy()
    np.testing.assert_array_equal(found.between_latents.images[0, [0, 4]], ends)
    between = found.between_classes
    assert between is not None
    assert between.row_names == ("3 \N{RIGHTWARDS ARROW} 8", "8 \N{RIGHTWARDS ARROW} 1")
    held = model.generate(first.expand(3, -1), [3, 8, 1]).numpy()
    np.testing.assert_array_equal(between.images[:, 0], held[:2])
    np.testing.assert_array_equal(between.images[:, 4], held[1:])
    assert [len(panel.get_yticklabels()) for panel in draw_interpolation(found).axes] == [3, 2]


def test_a_path_keeps_the_length_of_latents() -> None:
    ends = torch.eye(2)
    path = latent_path(ends[0], ends[1], torch.linspace(0, 1, 4))
    np.testing.assert_allclose(path.norm(dim=1).numpy(), 1, rtol=1e-6)
    np.testing.assert_array_equal(path[[0, 3]].numpy(), ends.numpy())


def test_without_labels_there_are_paths_between_latents_only(unlabelled_run: Path) -> None:
    found = read_interpolation(unlabelled_run, QUIET, steps=3)
    assert found.between_classes is None
    assert found.between_latents.images.shape[:2] == (4, 3)


def test_moving_pictures_go_there_and_back(plot: Plot, trained_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "path.gif"
    words = ["interpolation", trained_run, "--out", out, "--classes", "3,8", "--steps", 4]
    assert plot(*words)[0] == 0
    with Image.open(out) as moving:
        assert (moving.n_frames, moving.info["loop"]) == (6, 0)  # type: ignore[attr-defined]
    found = read_interpolation(trained_run, QUIET, classes=["3", "8"], steps=4)
    pictures = [np.asarray(picture) for picture in frames(found)]
    np.testing.assert_array_equal(pictures[4], pictures[2])
    np.testing.assert_array_equal(pictures[5], pictures[1])


def test_mp4_needs_an_extra(
    refused: Callable[..., str], trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contragan.analysis.animation.find_spec", lambda name: None)
    out = tmp_path / "path.mp4"
    said = refused("interpolation", trained_run, "--out", out)
    assert "pip install 'contragan[mp4]'" in said
    assert not out.exists()


def test_mp4_is_a_film_of_all_frames(trained_run: Path, tmp_path: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    out = tmp_path / "path.mp4"
    save_moving(read_interpolation(trained_run, QUIET, classes=["3"], steps=4), out)
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(out))
    assert count == 6
    assert seconds == pytest.approx(6 * 0.08, abs=0.02)


def test_squeezed_latents_are_those_of_a_normal_distribution_cut_off() -> None:
    latents = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    for truncation in (0.3, 1.5):
        found = squeezed(latents, truncation).numpy()
        assert np.abs(found).max() <= truncation
        fits = stats.kstest(found, stats.truncnorm(-truncation, truncation).cdf)
        assert fits.pvalue > 0.01
        assert (np.diff(found[np.argsort(latents.numpy())]) >= 0).all()
    assert squeezed(latents, math.inf) is latents


def test_truncation_narrows_images_and_scores_them(
    plot: Plot, trained_run: Path, tmp_path: Path
) -> None:
    before = (trained_run / "metrics.jsonl").read_bytes()
    found = read_truncation(trained_run, QUIET, levels=[math.inf, 0.05], classes=["3", "8"])
    assert found.levels == (0.05, math.inf)
    model = contragan.load(trained_run)
    plain = model.generate(model.latents(2), [3, 8]).numpy()
    np.testing.assert_array_equal(found.images[:, 1], plain)
    record = [r for r in read_metrics(trained_run / "metrics.jsonl") if r["name"] == "evaluation"]
    best = min(one["values"]["frechet_distance"] for one in record)
    assert found.scores["frechet_distance"][1] == pytest.approx(best, rel=1e-3)
    assert found.scores["frechet_distance"][0] != pytest.approx(best, rel=1e-3)
    images, distance, shares = draw_truncation(found).axes
    assert [label.get_text() for label in images.get_xticklabels()] == ["0.05", "none"]
    assert (len(distance.lines), len(shares.lines)) == (1, 2)
    numbers = tmp_path / "numbers.csv"
    words = ["truncation", trained_run, "--levels", "1,none", "--num", 32, "--csv", numbers]
    assert plot(*words, "--out", tmp_path / "truncation.png")[0] == 0
    assert len(list(csv.DictReader(numbers.read_text().splitlines()))) == 2 * 3
    assert (trained_run / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("distances", "says"),
    [
        ([9.0, 4.0, 5.0], "run: lowest distance 4 with truncation 1, 5 without"),
        ([9.0, 5.0, 4.0], "run: lowest distance 4 without truncation"),
    ],
)
def test_the_truncation_of_the_lowest_distance_is_told(distances: list[float], says: str) -> None:
    images = np.zeros((1, 3, 1, 8, 8), np.uint8)
    scores = {"frechet_distance": distances}
    assert Truncation("run", (0.5, 1.0, math.inf), ("3",), images, scores, {}, 9).summary() == says


def test_neighbours_are_those_of_the_check_for_copies(
    plot: Plot, trained_run: Path, tmp_path: Path
) -> None:
    before = (trained_run / "metrics.jsonl").read_bytes()
    found = read_neighbours(trained_run, QUIET, num_images=40)
    assert found.pairs.generated.shape == found.pairs.training.shape == (16, 1, 16, 16)
    assert found.num_images == 40
    apart = (found.pairs.generated.astype(np.float32) - found.pairs.training).reshape(16, -1)
    np.testing.assert_allclose(
        np.linalg.norm(apart, axis=1) / found.pairs.distances, 255, rtol=0.02
    )
    texts = [text.get_text() for text in draw_neighbours(found).axes[0].texts]
    assert texts[0] == found.title
    out = tmp_path / "neighbours.png"
    code, said, _ = plot("neighbours", trained_run, "--num", 40, "--out", out)
    assert code == 0
    assert "of 40 generated images are as near to a training image as copies are" in said
    with Image.open(out) as picture:
        assert picture.format == "PNG"
    assert (trained_run / "metrics.jsonl").read_bytes() == before


def test_bad_input_gets_one_line(
    refused: Callable[..., str], trained_run: Path, unlabelled_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new.png"
    for levels in ("0", "-1,none", "much", "1,,2", "nan"):
        words = ["truncation", trained_run, "--levels", levels, "--out", out]
        assert "is not a number above 0, or none" in refused(*words)
    assert "--data means nothing" in refused(
        "neighbours", trained_run, "--data", tmp_path, "--out", out
    )
    words = ["--classes", "3", "--out", out]
    for kind in ("interpolation", "truncation", "grid"):
        assert "--classes means nothing to" in refused(kind, unlabelled_run, *words)
    assert "features" in refused("truncation", trained_run, "--features", "eyes", "--out", out)
    said = refused("interpolation", trained_run, "--out", tmp_path / "a.webm")
    assert "is written as .png, .svg, .pdf, .gif, .mp4; name it so" in said
    assert not out.exists()


@pytest.mark.parametrize(
    "name",
    [
        "runs.between",
        "analysis.truncation",
        "analysis.vectors",
        "evaluation.by_class",
        "evaluation.quantities",
        "evaluation.record",
    ],
)
def test_examples_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"contragan.{name}"))
    assert found.attempted > 0
    assert found.failed == 0
