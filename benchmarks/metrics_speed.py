"""Speed and memory of the metrics, beside the public packages, in one run.

    python benchmarks/metrics_speed.py [--images 10000] [--repeats 3] [--parts frechet manifold ...]

Prints one line per measurement: the medians of the repeats and their ratio. ``memory`` runs
precision/recall/density/coverage alone at --memory-images and prints the peak resident memory of
the process; ``precision`` reads real images from --data and prints what bf16 features change.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, get_args

import numpy as np
import torch
from PIL import Image, ImageFilter

from contragan.core.gaussian import Moments
from contragan.core.processes import Ranks
from contragan.data import load_image_set
from contragan.features.extractor import CPU_CHUNK, FeatureExtractor, NetworkExtractor, Precision
from contragan.features.feature_pass import FeaturePass, Keep
from contragan.features.load import load_extractor
from contragan.features.networks import InceptionV3, inception_extractor
from contragan.metrics.frechet import frechet_distance, frechet_distance_from_moments
from contragan.metrics.precision_recall import precision_recall_density_coverage

T = TypeVar("T")


def seconds(function: Callable[[], T], repeats: int) -> tuple[float, T]:
    """Median wall time of ``repeats`` calls after one that does not count, and the last result."""
    function()
    timed = [once(function) for _ in range(repeats)]
    return statistics.median(took for took, _ in timed), timed[-1][1]


def once(function: Callable[[], T]) -> tuple[float, T]:
    """Wall time and result of one call."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def features(count: int, dim: int, seed: int) -> torch.Tensor:
    """Correlated features with a spectrum that falls by three decades, as networks have."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.linalg.qr(torch.randn(dim, dim, generator=generator)).Q
    rows = torch.randn(count, dim, generator=generator) * torch.logspace(0, -1.5, dim)
    value: torch.Tensor = rows @ mix + 0.05 * seed
    return value


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
    ours, distance = seconds(lambda: frechet_distance_from_moments(a, b), repeats)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs, value = seconds(
            lambda: calculate_frechet_distance(a.mean, a.covariance, b.mean, b.covariance), repeats
        )
    error = abs(distance / float(value) - 1)
    print(
        f"frechet, {dim} dims: {ours:.2f} s; pytorch-fid {theirs:.2f} s; ratio "
        f"{theirs / ours:.1f}; relative difference {error:.1e}"
    )


def manifold(images: int, repeats: int) -> None:
    """Precision, recall, density and coverage of equal sets with 2,048 dimensions."""
    from prdc import compute_prdc

    real, fake = features(images, 2048, 0), features(images, 2048, 1)
    ours, scores = seconds(lambda: precision_recall_density_coverage(real, fake, 5), repeats)
    # After ours nothing is left to warm up, and a call takes long.
    runs = [once(lambda: compute_prdc(real.numpy(), fake.numpy(), 5)) for _ in range(repeats)]
    theirs, value = statistics.median(took for took, _ in runs), runs[-1][1]
    error = max(abs(share - float(value[name])) for name, share in scores._asdict().items())
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
    """Images a second through the feature pass, and through the bare network on ready input."""
    torch.manual_seed(0)
    made: list[Callable[[Precision], FeatureExtractor]] = [
        lambda precision: load_extractor("efficientnet-lite0", precision=precision),
        # Random weights, which take as long as the published ones.
        lambda precision: inception_extractor(InceptionV3(), precision=precision),
    ]
    for make in made:
        for precision in get_args(Precision):
            extractor = make(precision)
            assert isinstance(extractor, NetworkExtractor)
            for side in (32, 128):
                _extraction(extractor, side, repeats)


def _extraction(extractor: NetworkExtractor, side: int, repeats: int) -> None:
    count = batch = 64
    images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
    ready = extractor.prepare(images)
    passing = FeaturePass(extractor, batch, Ranks(), None)

    def whole() -> None:
        passing(lambda start, stop: images[start:stop], count, Keep(features=True), "")

    @torch.inference_mode()
    def bare() -> None:
        with extractor.arithmetic():
            for part in torch.split(ready, CPU_CHUNK):
                extractor.network(part)

    bare()
    whole()
    # Taken in turns, so that other work on the machine meets both alike.
    pairs = [(once(bare)[0], once(whole)[0]) for _ in range(repeats)]
    network, all_in = (statistics.median(times) for times in zip(*pairs, strict=True))
    overhead = statistics.median(ours / theirs - 1 for theirs, ours in pairs)
    print(
        f"extraction, {extractor.name}, {extractor.precision}, images of {side} pixels: "
        f"{count / all_in:.1f} images/s; bare network {count / network:.1f}; "
        f"overhead {overhead:.1%} (median of {repeats} pairs)"
    )


def precision(folder: Path, count: int) -> None:
    """What bf16 features change about the Fréchet distance of real images: ``folder`` has train
    and test, each with one folder of images per class."""
    train, test = (load_image_set(folder / name).images for name in ("train", "test"))
    train, test = (images[:: len(images) // count][:count] for images in (train, test))
    sets = {"train": train, "test": test, "test, blurred by 0.5": _blurred(test, 0.5)}
    sets["test, blurred by 1"] = _blurred(test, 1.0)
    found: dict[str, dict[str, torch.Tensor]] = {}
    for name in get_args(Precision):
        extractor = load_extractor("efficientnet-lite0", precision=name)
        found[name] = {
            title: extractor(torch.from_numpy(images).permute(0, 3, 1, 2)).features
            for title, images in sets.items()
        }
    for title in list(sets)[1:]:
        exact, rounded = (frechet_distance(kind["train"], kind[title]) for kind in found.values())
        print(
            f"precision, {count} train against {count} {title}: {exact:.3f} in float32, "
            f"{rounded:.3f} in bf16 ({rounded / exact - 1:+.2%})"
        )


def _blurred(images: np.ndarray, radius: float) -> np.ndarray:
    """Images (N, H, W, C) uint8 after a Gaussian blur."""
    blur = ImageFilter.GaussianBlur(radius)
    return np.stack([np.asarray(Image.fromarray(image).filter(blur)) for image in images])


def main() -> None:
    """Runs the parts that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--memory-images", type=int, default=50_000)
    parser.add_argument("--precision-images", type=int, default=2_000)
    parser.add_argument("--data", type=Path, help="what the part precision reads")
    parser.add_argument("--repeats", type=int, default=3)
    parts = ["frechet", "extraction", "manifold", "memory", "precision"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts[:3])
    options = parser.parse_args()
    if "precision" in options.parts and options.data is None:
        parser.error("the part precision needs --data")
    print(f"{torch.get_num_threads()} threads, {os.cpu_count()} cores, torch {torch.__version__}")
    runs: dict[str, Callable[[], None]] = {
        "frechet": lambda: frechet(options.repeats),
        "extraction": lambda: extraction(options.repeats),
        "manifold": lambda: manifold(options.images, options.repeats),
        "memory": lambda: memory(options.memory_images),
        "precision": lambda: precision(options.data, options.precision_images),
    }
    for part in options.parts:
        runs[part]()


if __name__ == "__main__":
    main()
