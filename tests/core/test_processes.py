"""Two gloo processes give the result of one."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, distributed

from contragan.core.errors import UserError
from contragan.core.gaussian import Moments
from contragan.core.processes import Ranks
from contragan.evaluation.protocol import IndexedDraw, evaluate
from contragan.evaluation.reference import ImageSet
from contragan.features.load import load_extractor
from contragan.recipes.evaluation import EvaluationConfig


def _set(seed: int, split: str) -> ImageSet:
    rng = np.random.default_rng(seed)
    labels = np.arange(300) % 3
    images = (rng.integers(0, 128, (300, 4, 4, 1)) + 60 * labels[:, None, None, None]).clip(0, 255)
    return ImageSet(images.astype(np.uint8), labels, ("a", "b", "c"), split, "squares", split)


def _draw(labels: Tensor, indices: Tensor) -> Tensor:
    rows = []
    for label, index in zip(labels.tolist(), indices.tolist(), strict=True):
        generator = torch.Generator().manual_seed(index)
        rows.append(torch.rand(1, 4, 4, generator=generator) - 0.9 + 0.45 * label)
    return torch.stack(rows)


def _evaluate(ranks: Ranks, folder: Path, batch_size: int = 16) -> dict[str, float]:
    config = EvaluationConfig(
        features="pixels",
        num_images=250,
        reference="test",
        batch_norm="running",
        labels="uniform",
        metrics=("frechet_distance", "kernel_distance", "precision_recall", "class_fidelity"),
        kernel_subsets=3,
        batch_size=batch_size,
    )
    record = evaluate(
        IndexedDraw(_draw),
        reference=_set(0, "test"),
        probe_train=_set(1, "train"),
        config=config,
        extractor=load_extractor("pixels", image_shape=(1, 4, 4)),
        cache_dir=folder,
        ranks=ranks,
    )
    return record.values


def _few_images(ranks: Ranks, folder: Path, batch_size: int) -> float:
    """The distance of 10 images of 16 dimensions, whose rows stand in for a covariance."""
    config = EvaluationConfig(
        features="pixels",
        num_images=10,
        reference="test",
        batch_norm="running",
        labels="uniform",
        metrics=("frechet_distance",),
        batch_size=batch_size,
    )
    record = evaluate(
        IndexedDraw(_draw),
        reference=_set(0, "test"),
        probe_train=None,
        config=config,
        extractor=load_extractor("pixels", image_shape=(1, 4, 4)),
        cache_dir=folder,
        ranks=ranks,
    )
    return record.values["frechet_distance"]


def _worker(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    try:
        ranks = Ranks.current()
        # Only the first rank finds a cache in the second round: both must still go on alike.
        caches = [Path(folder) / f"cache-{rank}", Path(folder) / f"cache-{2 * rank}"]
        values = [_evaluate(ranks, cache) for cache in caches]
        # One batch in all: the first rank has no share of it.
        values.append(_evaluate(ranks, Path(folder) / "cache-large", batch_size=512))
        few = [_few_images(ranks, Path(folder) / "cache-few", size) for size in (4, 512)]
        failures = 0
        try:
            with ranks.fail_together():
                if rank == 1:
                    raise UserError("only here")
        except UserError as error:
            failures += str(error) == "only here"
        result = {"values": values, "few": few, "failures": failures}
        (Path(folder) / f"rank-{rank}.json").write_text(json.dumps(result))
    finally:
        distributed.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # This file run as a script: spawned workers could not import it under pytest's importlib mode.
    workers = [
        subprocess.Popen([sys.executable, __file__, str(rank), str(port), str(tmp_path)])
        for rank in range(2)
    ]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    alone = _evaluate(Ranks(), tmp_path / "alone")
    assert alone["frechet_distance"] > 0.01
    few = _few_images(Ranks(), tmp_path / "few", 16)
    for rank in range(2):
        found = json.loads((tmp_path / f"rank-{rank}.json").read_text())
        assert found["failures"] == 1
        for values in found["values"]:
            assert values == pytest.approx(alone, rel=1e-6)
        for distance in found["few"]:
            assert distance == pytest.approx(few, rel=1e-9)


def test_shares_cover_all_batches_once() -> None:
    whole = Ranks().share(103, 10)
    assert whole[-1] == (100, 103)
    for world in (2, 3, 20):
        parts = [Ranks(rank, world).share(103, 10) for rank in range(world)]
        assert [batch for part in parts for batch in part] == whole


def test_alone_nothing_is_exchanged() -> None:
    ranks = Ranks.current()
    assert (ranks.rank, ranks.world) == (0, 1)
    moments = Moments(2)
    rows = np.zeros((3, 2), np.float32)
    assert ranks.merge(moments) is moments
    assert ranks.concatenate(rows) is rows
    assert ranks.all_agree(True)
    assert not ranks.all_agree(False)


if __name__ == "__main__":
    _worker(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
