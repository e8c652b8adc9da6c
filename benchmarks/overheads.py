"""What a training run costs beside its two updates: time per iteration, and memory for the data.

python benchmarks/overheads.py digits/contragan-eq7
python benchmarks/overheads.py cifar10/contragan --data PATH --set generator.channels=16 ...
"""

from __future__ import annotations

import argparse
import platform
import resource
import tempfile
from pathlib import Path

import torch
from rich.console import Console

from contragan.data import load_dataset
from contragan.recipes.schema import load_recipe
from contragan.training.setup import Request, set_up
from contragan.training.stop import Stop
from contragan.training.train import wire


def resident_bytes() -> int:
    """Bytes of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--iterations", type=int, default=100)
    options = parser.parse_args()
    overrides = [
        *options.overrides,
        f"training.total_iterations={options.iterations + 5}",
        "training.evaluate_every_iterations=null",
        "training.evaluate_at_start=false",
        f"training.log_every_iterations={max(1, options.iterations // 4)}",
    ]
    recipe = load_recipe(options.recipe, overrides)
    load_dataset(recipe.data, "train", root=options.data)  # decoded once, outside the measurement
    load_dataset(recipe.data, "test", root=options.data)
    before = resident_bytes()
    splits = [load_dataset(recipe.data, split, root=options.data) for split in ("train", "test")]
    grown = resident_bytes() - before
    pixels = sum(split.images.nbytes for split in splits)
    del splits
    with tempfile.TemporaryDirectory() as folder:
        request = Request(options.recipe, recipe, data=options.data, out=Path(folder) / "run")
        loop = wire(set_up(request, Console(quiet=True)), request)
        loop.fit(Stop())
    seconds = loop.seconds
    print(
        f"{options.recipe}: {seconds.iterations} iterations of "
        f"{1e3 * seconds.total / seconds.iterations:.1f} ms: D steps "
        f"{100 * seconds.discriminator / seconds.total:.1f}%, G steps "
        f"{100 * seconds.generator / seconds.total:.1f}%, outside "
        f"{100 * seconds.outside_steps():.2f}% (data {100 * seconds.data / seconds.total:.2f}%, "
        f"EMA {100 * seconds.ema / seconds.total:.2f}%)"
    )
    print(f"data: {pixels / 1e6:.1f} MB of pixels, {grown / 1e6:.1f} MB of memory")
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()
