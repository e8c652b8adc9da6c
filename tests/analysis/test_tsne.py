"""Maps of vectors: the first checkpoint's map stays, and others are placed where theirs belong."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from contragan.analysis import tsne
from contragan.analysis.vectors import Rows

QUIET = Console(quiet=True)


def heaps(seed: int, count: int = 30) -> Rows:
    """Vectors (3 x count, 8) in three heaps far from each other."""
    random = np.random.default_rng(seed)
    middles = np.eye(3, 8, dtype=np.float32).repeat(count, axis=0)
    return middles + random.normal(0, 0.02, (3 * count, 8)).astype(np.float32)


def test_others_are_placed_in_the_map_of_the_first() -> None:
    pytest.importorskip("openTSNE", reason="openTSNE is not installed (contragan[tsne])")
    first, second = heaps(0), heaps(1)[::-1].copy()
    found = tsne.shared_map([first, second, second[:5]], ["a", "b", "c"], 0, QUIET)
    assert found.of == "a"
    known, placed, few = found.places
    np.testing.assert_array_equal(known, tsne.tsne(first, 0, QUIET))
    middles = known.reshape(3, 30, 2).mean(1)
    distances = np.linalg.norm(placed[:, None] - middles[None], axis=2)
    assert distances.argmin(1).tolist() == [2] * 30 + [1] * 30 + [0] * 30
    between = np.linalg.norm(middles[:, None] - middles[None], axis=2)[np.triu_indices(3, 1)].min()
    assert distances.min(1).max() < between / 2
    # Points are placed one by one: a checkpoint with fewer of them has the same ones there.
    np.testing.assert_allclose(few, placed[:5], atol=1e-4)


def test_without_opentsne_one_map_is_made_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsne, "find_spec", lambda name: None)
    said = io.StringIO()
    console = Console(file=said, width=200)
    first, second = heaps(0, 4), heaps(1, 4)[:6]
    found = tsne.shared_map([first, second], ["a", "b"], 0, console)
    assert found.of == "all checkpoints together"
    joint = tsne.tsne(np.concatenate([first, second]), 0, QUIET)
    np.testing.assert_array_equal(np.concatenate(found.places), joint)
    assert [len(places) for places in found.places] == [12, 6]
    assert "pip install 'contragan[tsne]'" in said.getvalue()
    tsne.shared_map([first], ["a"], 0, console)
    assert said.getvalue().count("openTSNE") == 1  # one checkpoint needs no other's map
