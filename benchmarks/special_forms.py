"""What each special form of a computation brings to a whole training step, in turns in one process.

A form is switched to the usual one, all others stay; both steps then run in turns, and the ratio of
their median times (usual over ours) is printed, with the least and the largest of the rounds.

    python benchmarks/special_forms.py digits/contragan-eq7
    python benchmarks/special_forms.py cifar10/contragan --precision bf16 \
        --set generator.channels=32 --set discriminator.channels=32
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from unittest.mock import patch

from rich.console import Console
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from contragan.bench.measure import BenchRequest, Runner, our_step, set_up
from contragan.models.layers import blocks
from contragan.models.layers.factory import set_plain
from contragan.models.layers.spectral_norm import SPECTRAL_NORM_EPS
from contragan.recipes.schema import load_recipe
from contragan.training.step import Step

Context = Callable[[], AbstractContextManager[object]]


def torch_spectral_norm(step: Step) -> None:
    """PyTorch's spectral norm as a parametrisation, computed once a pass under its cache."""
    for network in (step.gan.generator, step.gan.discriminator):
        for module in list(network.modules()):
            if getattr(module, "spectral_norm", None) is not None:
                setattr(module, "spectral_norm", None)  # noqa: B010
                spectral_norm(module, eps=SPECTRAL_NORM_EPS)
    step._shared_weights = []


@contextmanager
def cached_passes(step: Step) -> Iterator[None]:
    """Each pass of the step under ``parametrize.cached()``."""
    own = step._pass

    @contextmanager
    def with_cache(part: int) -> Iterator[None]:
        with parametrize.cached(), own(part):
            yield

    with patch.object(step, "_pass", with_cache):
        yield


def usual_resampling(step: Step) -> None:
    """Blocks that resample apart from their convolutions."""
    for network in (step.gan.generator, step.gan.discriminator):
        set_plain(network)


def nothing(step: Step) -> None:
    """Leave the networks as they are."""


def filtered_kernels() -> AbstractContextManager[object]:
    """Folded convolutions whose box filters the kernel on a CPU too."""
    return patch.object(blocks, "filtered_on", lambda device: "kernel")


FORMS: dict[str, tuple[Callable[[Step], None], Context | None]] = {
    "spectral norm shared over layers": (torch_spectral_norm, None),
    "resampling folded into convolutions": (usual_resampling, nullcontext),
    "box on images, not on the kernel": (nothing, filtered_kernels),
    "freed memory stays": (nothing, nullcontext),
}


def measure(request: BenchRequest, name: str, rounds: int, iterations: int) -> list[float]:
    """Ratio of the usual form's time to ours, one per round."""
    change, context = FORMS[name]
    setup, _ = set_up(request, Console(quiet=True))
    ours, usual = (Runner(*our_step(setup, request.seed)) for _ in range(2))
    change(usual.step)
    if name == "freed memory stays":
        usual.keeps_memory = False
    around = partial(cached_passes, usual.step) if context is None else context
    ratios = []
    for turn in range(rounds + 1):  # the first warms up
        seconds = []
        for runner, within in ((ours, nullcontext), (usual, around)):
            runner.times.total.clear()
            with within():
                runner.turn(iterations)
            seconds.append(statistics.median(runner.times.total))
        if turn:
            ratios.append(seconds[1] / seconds[0])
    for runner in (ours, usual):
        runner.step.source.close()
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--form", choices=list(FORMS), help="one of them, in this process")
    options = parser.parse_args()
    if options.form is None:  # a process each: none finds another's memory
        print(
            f"{options.recipe}, {options.precision}: time of the usual form over ours", flush=True
        )
        for name in FORMS:
            command = [sys.executable, *sys.argv, "--form", name]
            subprocess.run(command, check=True, env={**os.environ, "GOMP_SPINCOUNT": "2000"})
        return
    overrides = [*options.overrides, f"training.precision={options.precision}"]
    request = BenchRequest(options.recipe, load_recipe(options.recipe, overrides))
    ratios = measure(request, options.form, options.rounds, options.iterations)
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(
        f"{options.form:42s} {middle:.3f} ({low:.3f} to {high:.3f}, n = {len(ratios)})", flush=True
    )


if __name__ == "__main__":
    main()
