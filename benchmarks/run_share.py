"""The share of a run that evaluation, checkpoints, logging and sample grids take.

python benchmarks/run_share.py cifar10/contragan --data PATH

Each part is measured alone, through the loop that trains; the share is arithmetic: what a part
costs, times how often the recipe has it, over the recipe's iterations times what one takes.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from contragan.features.extractor import FeatureExtractor
from contragan.features.load import load_extractor
from contragan.features.networks import InceptionV3, inception_extractor
from contragan.recipes.schema import TrainingConfig, load_recipe
from contragan.training.loop import Loop
from contragan.training.seconds import Seconds
from contragan.training.setup import Request, set_up
from contragan.training.train import wire


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median wall time of ``work``."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


@dataclass(frozen=True)
class Part:
    """Something a run does ``count`` times, for so many seconds each."""

    title: str
    seconds: float
    count: int

    def line(self, training: float) -> str:
        total = self.seconds * self.count
        return (
            f"| {self.title} | {self.seconds:.4g} s | {self.count:,} | {total:,.0f} s | "
            f"{100 * total / training:.3f}% |"
        )


def checkpoint(loop: Loop, repeats: int) -> tuple[float, float]:
    """Seconds that a checkpoint holds the training thread, and that its writing takes beside it."""
    held, written = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        loop._save()
        held.append(time.perf_counter() - start)
        loop.writer.wait()
        written.append(time.perf_counter() - start - held[-1])
    return statistics.median(held), statistics.median(written)


def parts(loop: Loop, config: TrainingConfig, repeats: int, scale: float) -> list[Part]:
    """Everything between the iterations; ``scale`` multiplies an evaluation's time.

    The first evaluation's beyond a later one is what the cache keeps: none of it where it is warm.
    """
    logging = seconds(lambda: loop._write_log(1.0), 1)  # reading empties the meters
    grid = seconds(lambda: loop.draw_samples(loop.iteration), repeats)
    held, written = checkpoint(loop, repeats)
    first = later = 0.0
    if config.evaluate_every_iterations is not None:
        first, later = (seconds(lambda: loop.evaluate(loop.iteration), 1) for _ in range(2))

    def times(every: int | None) -> int:
        return 0 if every is None else config.total_iterations // every

    evaluations = times(config.evaluate_every_iterations)
    saves = max(evaluations, times(config.checkpoint_every_iterations))
    return [
        Part("log", logging, times(config.log_every_iterations)),
        Part("sample grid", grid, times(config.sample_every_iterations) + 1),
        Part("checkpoint, training thread held", held, saves),
        Part("checkpoint, written beside training", written, saves),
        Part("evaluation", scale * later, evaluations),
        Part("reference statistics and probe, in the first", first - later, 1),
    ]


def images_a_second(extractor: FeatureExtractor, height: int, width: int, repeats: int) -> float:
    images = torch.randint(0, 256, (64, 3, height, width), dtype=torch.uint8)
    extractor(images)
    return 64 / seconds(lambda: extractor(images), repeats)


def print_extractors(features: str, height: int, width: int, repeats: int) -> None:
    """The recipe's extractor beside Inception, whose random weights take as long as its own."""
    chosen = load_extractor(features, device="cpu", image_shape=(3, height, width))
    for extractor in (chosen, inception_extractor(InceptionV3())):
        rate = images_a_second(extractor, height, width, repeats)
        print(f"{extractor.name}: {rate:.1f} images/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--set", nargs="*", action="extend", default=[], dest="overrides")
    parser.add_argument("--iterations", type=int, default=5, help="timed ones, after one more")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images", type=int, help="evaluate fewer and scale the time up")
    parser.add_argument("--iteration-seconds", type=float, help="as another call measured it")
    parser.add_argument("--only-iterations", action="store_true")
    options = parser.parse_args()
    fewer = [] if options.images is None else [f"evaluation.num_images={options.images}"]
    recipe = load_recipe(options.recipe, [*options.overrides, *fewer])
    wanted = load_recipe(options.recipe, options.overrides).evaluation.num_images
    scale = wanted / options.images if wanted and options.images else 1.0
    with tempfile.TemporaryDirectory() as folder:
        request = Request(options.recipe, recipe, data=options.data, out=Path(folder) / "run")
        setup = set_up(request, Console(quiet=True))
        loop = wire(setup, request)
        with loop.writer:
            loop._iterate()
            loop.seconds = Seconds()
            iteration = options.iteration_seconds or seconds(loop._iterate, options.iterations)
            origin = "given" if options.iteration_seconds else f"n {options.iterations}"
            print(
                f"{options.recipe} {' '.join(options.overrides)}: {iteration:.4g} s an iteration "
                f"({origin}, {setup.fabric._precision.precision}), "
                f"{recipe.training.total_iterations:,} iterations",
                flush=True,
            )
            if options.only_iterations:
                spent = loop.seconds
                updates = spent.iterations * recipe.training.discriminator_steps
                print(
                    f"D step {spent.discriminator / updates:.4g} s, "
                    f"G step {spent.generator / spent.iterations:.4g} s"
                )
                return
            found = parts(loop, recipe.training, options.repeats, scale)
        loop.step.source.close()
    training = iteration * recipe.training.total_iterations
    print("| part | once | times | in all | of the iterations |\n|---|---|---|---|---|")
    for part in found:
        print(part.line(training))
    total = sum(part.seconds * part.count for part in found)
    print(f"together {100 * total / training:.2f}% of the iterations' time (scale {scale:g})")
    print_extractors(recipe.evaluation.features, *recipe.data.image_shape[1:], options.repeats)
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()
