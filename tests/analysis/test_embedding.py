"""Maps of D's embeddings: what is mapped, which points belong together, what is said."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import contragan
from contragan.analysis.embedding import draw_embedding, read_embeddings
from contragan.analysis.figures import colours
from contragan.analysis.vectors import picked, vectors_of
from contragan.data import load_dataset
from contragan.runs.discriminator import load_discriminator
from contragan.runs.run import checkpoint_at, open_run

from .conftest import Plot

QUIET = Console(quiet=True)


def test_the_discriminator_is_that_of_the_checkpoint(trained_run: Path) -> None:
    from safetensors.torch import load_file

    model = contragan.load(trained_run, which="last")
    network = load_discriminator(model)
    saved = load_file(model.checkpoint / "discriminator.safetensors")
    for name, value in network.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), saved[name].numpy())
    assert not network.training


def test_vectors_are_embeddings_and_shares_count_the_nearest_proxies(trained_run: Path) -> None:
    model = contragan.load(trained_run)
    train = load_dataset(model.run.recipe.data, "train", root=None)
    images, labels = picked(train, [3, 8], 5, 0, QUIET)
    assert labels.tolist() == [0] * 5 + [1] * 5
    found = vectors_of(model, "run", [3, 8], images, labels, seed=0)
    assert (found.kind, found.real.shape, found.generated.shape) == (
        "embeddings",
        (10, 128),
        (10, 128),
    )
    assert found.proxies is not None
    assert found.proxies.shape == (2, 128)
    for rows in (found.real, found.generated, found.proxies):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    assert found.own_proxy is not None
    for share, rows in zip(found.own_proxy, (found.real, found.generated), strict=True):
        own = [
            rows[i] @ found.proxies[labels[i]] > rows[i] @ found.proxies[1 - labels[i]]
            for i in range(10)
        ]
        assert share == pytest.approx(np.mean(own))


def test_checkpoints_of_a_run_share_the_map_of_the_first(trained_run: Path) -> None:
    pytest.importorskip("openTSNE", reason="openTSNE is not installed (contragan[tsne])")
    first, last = sorted(open_run(trained_run).checkpoints.glob("step-*"))
    assert checkpoint_at(first) is not None
    maps = read_embeddings([last, first], QUIET, per_class=3)
    assert [one.title.rpartition(", ")[2] for one in maps] == ["iteration 8", "iteration 4"]
    assert [one.map_of for one in maps] == ["iteration 8"] * 2
    alone = read_embeddings([last], QUIET, per_class=3)[0]
    np.testing.assert_array_equal(alone.real, maps[0].real)
    np.testing.assert_array_equal(alone.generated, maps[0].generated)
    assert (alone.map_of, alone.likeness, maps[0].likeness) == (None, None, None)
    assert maps[1].likeness is not None
    assert 0.5 < maps[1].likeness < 1
    assert f"a mean cosine of {maps[1].likeness:.2f} with" in maps[1].summary()
    panels = [panel for panel in draw_embedding(maps).axes if panel.collections]
    assert [len(panel.collections) for panel in panels] == [2, 2, 2, 2]  # images and stars
    assert [panel.get_title().partition(":")[0] for panel in panels] == [
        "iteration 4\nreal (training)",
        "iteration 8\nreal (training)",
        "generated",
        "generated",
    ]
    shown = (maps[1].real, maps[0].real, maps[1].generated, maps[0].generated)
    palette = np.asarray(colours(10))
    for panel, places in zip(panels, shown, strict=True):
        points = np.asarray(panel.collections[0].get_offsets())
        assert sorted(points.tolist()) == pytest.approx(np.array(sorted(places.tolist())))
        # Each point has the colour of its own class.
        rows = np.linalg.norm(points[:, None] - places[None], axis=2).argmin(1)
        drawn = np.asarray(panel.collections[0].get_facecolor())[:, :3]
        np.testing.assert_allclose(drawn, palette[maps[0].real_labels[rows]])


def test_without_an_embedding_features_are_mapped(
    plot: Plot, projection_run: Path, unlabelled_run: Path, tmp_path: Path
) -> None:
    out, numbers = tmp_path / "map.png", tmp_path / "map.csv"
    words = ["embedding", projection_run, unlabelled_run, "--out", out, "--csv", numbers]
    code, said, _ = plot(*words, "--per-class", 2, "--classes", "3,8")
    assert code == 0
    assert "projection has no embedding, so D's feature is mapped" in said
    assert "unconditional has no embedding, so D's feature is mapped" in said
    assert out.read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(numbers.read_text().splitlines()))
    assert len(rows) == 2 * (4 + 4)
    classes = {(row["what"], row["class"]) for row in rows if "uncond" in row["checkpoint"]}
    assert classes == {("real", "3"), ("real", "8"), ("generated", "")}


def test_bad_input_gets_one_line(
    refused: Callable[..., str], trained_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map.png"
    assert "is not there" in refused("embedding", tmp_path / "no", "--out", out)
    assert "named twice" in refused("embedding", trained_run, trained_run, "--out", out)
    assert "no class 'cat'" in refused("embedding", trained_run, "--classes", "cat", "--out", out)
    assert "--data means nothing" in refused(
        "embedding", trained_run, "--data", tmp_path, "--out", out
    )
    assert not out.exists()
