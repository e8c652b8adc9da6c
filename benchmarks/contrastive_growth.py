"""How time and memory of the 2C loss grow with batch, classes and embedding size.

python benchmarks/contrastive_growth.py --out docs/contrastive_growth.png

Forward and backward of the loss, with each image's proxy gathered from the table of all classes,
beside one N x N matrix product of the same embeddings. Memory is the largest sum of tensors alive
beyond the inputs. The table ends with the loss at N = 2,048, d = 1,024 and K = 1,000.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from contragan import ConditionalContrastiveLoss

SWEEPS = {
    "batch": [(n, 512, 100) for n in (64, 128, 256, 512, 1024)],
    "classes": [(512, 512, k) for k in (10, 30, 100, 300, 1000)],
    "embedding size": [(512, d, 100) for d in (128, 256, 512, 1024, 2048)],
}
LARGE = (2048, 1024, 1000)
AXIS = {"batch": 0, "embedding size": 1, "classes": 2}


class Storages(TorchDispatchMode):
    """Watches what is alive: bytes at the peak, and the largest single tensor."""

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = WeakIdKeyDictionary()
        self.known = {tensor.untyped_storage()._cdata for tensor in known}
        self.peak = 0
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self.known:
                    self.alive[storage] = storage.nbytes()
                    self.largest = max(self.largest, storage.nbytes())
        self.peak = max(self.peak, sum(self.alive.values()))
        return result


@dataclass(frozen=True)
class Figures:
    """Medians in seconds, and bytes."""

    size: tuple[int, int, int]
    product: float
    forward: float
    both: float
    peak: int
    largest: int

    def row(self) -> str:
        n, d, k = self.size
        return (
            f"{n:>6}{d:>7}{k:>6}{1e3 * self.product:>11.2f}{1e3 * self.forward:>11.2f}"
            f"{1e3 * self.both:>11.2f}{self.forward / self.product:>9.2f}"
            f"{self.both / self.product:>9.2f}{self.peak / 1e6:>10.1f}{self.largest / 1e6:>10.1f}"
        )


HEADER = (
    f"{'N':>6}{'d':>7}{'K':>6}{'product ms':>11}{'forward ms':>11}{'both ms':>11}"
    f"{'fwd/mm':>9}{'both/mm':>9}{'peak MB':>10}{'largest':>10}"
)


def seconds(works: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each, run in turns."""
    taken: list[list[float]] = [[] for _ in works]
    for turn in range(repeats + 1):
        for work, times in zip(works, taken, strict=True):
            start = time.perf_counter()
            work()
            if turn:  # the first is a warm-up
                times.append(time.perf_counter() - start)
    return [median(times) for times in taken]


def measure(size: tuple[int, int, int], repeats: int) -> Figures:
    n, d, k = size
    random = torch.Generator().manual_seed(0)
    embedding = torch.randn(n, d, generator=random).requires_grad_()
    table = torch.randn(k, d, generator=random).requires_grad_()
    label = torch.randint(k, (n,), generator=random)
    loss = ConditionalContrastiveLoss()
    fixed = embedding.detach()

    def forward() -> Tensor:
        value: Tensor = loss(embedding, table[label], label)
        return value

    def no_graph() -> Tensor:
        with torch.no_grad():
            return forward()

    def both() -> object:
        return torch.autograd.grad(forward(), (embedding, table))

    product, ahead, whole = seconds([lambda: fixed @ fixed.t(), no_graph, both], repeats)
    with Storages([embedding, table, label]) as watched:
        both()
    return Figures(size, product, ahead, whole, watched.peak, watched.largest)


def plot(results: dict[str, list[Figures]], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(results), figsize=(12, 3.6), constrained_layout=True)
    for axis, (name, figures) in zip(axes, results.items(), strict=True):
        at = [one.size[AXIS[name]] for one in figures]
        axis.plot(at, [1e3 * one.both for one in figures], "o-", label="forward + backward")
        axis.plot(at, [1e3 * one.product for one in figures], "s--", label="its matrix product")
        memory = axis.twinx()
        memory.plot(at, [one.peak / 1e6 for one in figures], "^:", color="grey", label="memory")
        n, d, k = figures[0].size
        fixed = {"batch": f"batch {n}", "embedding size": f"d = {d}", "classes": f"{k} classes"}
        fixed.pop(name)
        axis.set(
            xscale="log", yscale="log", xlabel=name, ylabel="ms", title=", ".join(fixed.values())
        )
        memory.set(yscale="log", ylabel="MB")
        axis.set_xticks(at, [str(value) for value in at], minor=False)
        axis.minorticks_off()
        lines = [*axis.get_lines(), *memory.get_lines()]
        axis.legend(lines, [str(line.get_label()) for line in lines], fontsize=8)
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("contrastive_growth.png"))
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}")
    results: dict[str, list[Figures]] = {}
    for name, sizes in SWEEPS.items():
        print(f"\ngrowth with {name}\n{HEADER}")
        results[name] = []
        for size in sizes:
            results[name].append(measure(size, options.repeats))
            print(results[name][-1].row(), flush=True)
    plot(results, options.out)
    large = measure(LARGE, options.repeats)
    n, d, _ = LARGE
    print(f"\nthe large case\n{HEADER}\n{large.row()}")
    print(f"an N x N x d tensor would hold {4 * n * n * d / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
