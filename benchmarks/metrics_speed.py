"""Speed and memory of the metrics, beside the public packages, in one run.

    python benchmarks/metrics_speed.py [--images 10000] [--repeats 3] [--parts frechet manifold ...]

Prints a line a measurement: the median of the repeats for ours, one run of the package (they take
minutes), the ratio. ``memory`` runs precision/recall/density/coverage alone at --memory-images and
prints the peak resident memory of the process.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch

from contragan.metrics import (
    Moments,
    frechet_distance_from_moments,
    load_extractor,
    precision_recall_density_coverage,
)
from contragan.metrics.features import CPU_CHUNK, NetworkExtractor


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Median wall time of ``repeats`` calls, after one call that does not count."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def once(function: Callable[[], object]) -> tuple[float, object]:
    """Wall time and result of one call."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def features(count: int, dim: int, seed: int) -> torch.Tensor:
    """Correlated features with a spectrum that falls by three decades, as networks have."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.linalg.qr(torch.randn(dim, dim, generator=generator)).Q
    rows = torch.randn(count, dim, generator=generator) * torch.logspace(0, -1.5, dim)
    return rows @ mix + 0.05 * seed


def frechet(repeats: int) -> None:
    """The arithmetic at 2,048 dimensions, from the same moments."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    dim = 2048
    gaussians = []
    for seed in range(2):
        moments = Moments(dim)
        moments.update(features(5000, dim, seed))
        gaussians.append(moments.gaussian())
    a, b = gaussians
    ours = seconds(lambda: frechet_distance_from_moments(a, b), repeats)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs, value = once(
            lambda: calculate_frechet_distance(a.mean, a.covariance, b.mean, b.covariance)
        )
    error = abs(frechet_distance_from_moments(a, b) / float(value) - 1)  # type: ignore[arg-type]
    print(
        f"frechet, {dim} dims: {ours:.2f} s; pytorch-fid {theirs:.2f} s; ratio "
        f"{theirs / ours:.1f}; relative difference {error:.1e}"
    )


def manifold(images: int, repeats: int) -> None:
    """Precision, recall, density and coverage of equal sets with 2,048 dimensions."""
    from prdc import compute_prdc

    real, fake = features(images, 2048, 0), features(images, 2048, 1)
    ours = seconds(lambda: precision_recall_density_coverage(real, fake, 5), repeats)
    theirs, value = once(lambda: compute_prdc(real.numpy(), fake.numpy(), 5))
    scores = precision_recall_density_coverage(real, fake, 5)._asdict()
    error = max(abs(scores[name] - float(value[name])) for name in scores)  # type: ignore[index]
    print(
        f"manifold, {images} x {images}: {ours:.1f} s; prdc {theirs:.1f} s; ratio "
        f"{theirs / ours:.1f}; largest difference {error:.1e}"
    )


def memory(images: int) -> None:
    """Peak memory with the features themselves in it."""
    rng = np.random.default_rng(0)
    real, fake = (
        torch.from_numpy(rng.standard_normal((images, 2048), dtype=np.float32)) for _ in range(2)
    )
    took, _ = once(lambda: precision_recall_density_coverage(real, fake, 5))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"memory, {images} x {images} x 2048: {took:.0f} s, peak {peak:.2f} GiB resident")


def extraction(repeats: int) -> None:
    """Images a second through the extractor, and through its bare network on ready input."""
    extractor = load_extractor("efficientnet-lite0")
    assert isinstance(extractor, NetworkExtractor)
    images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8)
    ready = extractor.prepare(images)

    @torch.inference_mode()
    def bare() -> None:
        for part in torch.split(ready, CPU_CHUNK):
            extractor.network(part)

    # Taken in turns, so that other work on the machine meets both alike.
    pairs = [(seconds(bare, 1), seconds(lambda: extractor(images), 1)) for _ in range(repeats)]
    network, whole = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(
        f"extraction, efficientnet-lite0 at 224, float32: {64 / whole:.1f} images/s; bare network "
        f"{64 / network:.1f}; overhead {whole / network - 1:.1%}"
    )


def main() -> None:
    """Runs the parts that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--memory-images", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=3)
    parts = ["frechet", "extraction", "manifold", "memory"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts[:3])
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, {os.cpu_count()} cores, torch {torch.__version__}")
    runs: dict[str, Callable[[], None]] = {
        "frechet": lambda: frechet(options.repeats),
        "extraction": lambda: extraction(options.repeats),
        "manifold": lambda: manifold(options.images, options.repeats),
        "memory": lambda: memory(options.memory_images),
    }
    for part in options.parts:
        runs[part]()


if __name__ == "__main__":
    main()
