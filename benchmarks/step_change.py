"""A change to the training step beside the code before it: losses and time over 20 iterations.

python benchmarks/step_change.py                       # this tree beside main
python benchmarks/step_change.py REVISION --recipe digits/acgan --repeats 5
python benchmarks/step_change.py REVISION --recipe cifar10/contragan --data PATH \\
    --set generator.channels=16 discriminator.channels=16

Trains the recipe with both, in turns, and prints the largest difference of a loss term and the
time of the fastest iteration, which other work on the machine disturbs least. Exits with 1 where a
loss differs by more than ``--tolerance``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
WARM_UP = 3
"""Iterations at the start that are not timed."""

Losses = dict[tuple[int, str], float]


@dataclass(frozen=True)
class Trained:
    """Every loss term of a run by iteration and name, and the seconds of each iteration."""

    losses: Losses
    seconds: list[float]


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """A revision of this repository in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", "--quiet", str(tree), revision], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def train(tree: Path, args: argparse.Namespace) -> Trained:
    """Train with the code of a tree, through the command line, which stays as it is."""
    every = ("sample_every", "checkpoint_every")
    settings = [
        f"training.total_iterations={args.iterations}",
        "training.log_every_iterations=1",
        *(f"training.{name}_iterations={args.iterations}" for name in every),
        "training.evaluate_every_iterations=null",
        "training.evaluate_at_start=false",
        *args.set,
    ]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "contragan",
            "train",
            args.recipe,
            "--out",
            f"{folder}/run",
        ]
        command += [word for setting in settings for word in ("--set", setting)]
        command += [] if args.data is None else ["--data", str(args.data)]
        environment = os.environ | {"PYTHONPATH": str(tree / "src")}
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{tree}: {' '.join(command)}\n{done.stderr or done.stdout}")
        lines = (Path(folder) / "run" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    losses = {
        (record["step"], record["name"]): float(record["value"])
        for record in records
        if record["name"].startswith(("d/", "g/"))
    }
    speeds = [r["value"] for r in records if r["name"] == "iterations_per_second"]
    return Trained(losses, [1 / speed for speed in speeds[WARM_UP:]])


def in_turn(tree: Path, args: argparse.Namespace, swapped: bool) -> tuple[Trained, Trained]:
    """Before and after, one right after the other, in either order."""
    if swapped:
        after = train(ROOT, args)
        return train(tree, args), after
    return train(tree, args), train(ROOT, args)


def largest_difference(before: Losses, after: Losses) -> tuple[float, str]:
    """The largest relative difference of a loss term, and where it is."""
    if before.keys() != after.keys():
        only = sorted({name for _, name in before.keys() ^ after.keys()})
        return math.inf, f"only one of them has {', '.join(only)}"
    differences = {
        key: abs(after[key] - value) / max(abs(value), 1e-6) for key, value in before.items()
    }
    step, name = max(differences, key=lambda key: differences[key])
    return differences[step, name], f"{name} at iteration {step}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("revision", nargs="?", default="main", help="the code before")
    parser.add_argument("--recipe", default="digits/contragan-eq7")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--set", nargs="*", default=[], help="settings as PATH=VALUE")
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, in turns")
    parser.add_argument("--tolerance", type=float, default=0.0, help="relative, of a loss term")
    args = parser.parse_args()
    if args.iterations <= WARM_UP:
        parser.error(f"--iterations must be above {WARM_UP}: that many are not timed")
    with checked_out(args.revision) as tree:
        runs = [in_turn(tree, args, swapped=bool(turn % 2)) for turn in range(args.repeats)]
    difference, where = largest_difference(runs[0][0].losses, runs[0][1].losses)
    print(f"losses: {len(runs[0][1].losses)} values over {args.iterations} iterations, ", end="")
    print("equal" if difference == 0 else f"up to {difference:.2g} apart ({where})")
    pairs = [(min(before.seconds), min(after.seconds)) for before, after in runs]
    for before, after in pairs:
        print(f"time:   {1e3 * before:.1f} ms before, {1e3 * after:.1f} ms after")
    ratio = median(after / before for before, after in pairs)
    change = f"{100 * (ratio - 1):+.1f}%"
    print(f"time:   {change} for the fastest iteration (median of {args.repeats} pairs)")
    if difference > args.tolerance:
        sys.exit(1)


if __name__ == "__main__":
    main()
