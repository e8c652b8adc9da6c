"""Does every method learn? All digits recipes, several seeds, equal iterations, one table.

python benchmarks/methods_on_digits.py --out runs/methods
python benchmarks/methods_on_digits.py --methods contragan,projgan --seeds 0 --iterations 100

Started again with the same --out, it goes on where it stopped: finished runs are only read.
"""

from __future__ import annotations

import argparse
import platform
import statistics
from importlib.metadata import version
from pathlib import Path

import torch
from rich.console import Console

from contragan.catalog import nearest, recipe_names
from contragan.errors import UserError
from contragan.recipe import load_recipe
from contragan.runs.log import read_metrics
from contragan.runs.run import is_run
from contragan.training.train import Request, train

FAMILY = "digits/"
SCORES = {"frechet_distance": "Fréchet distance", "class_accuracy": "class accuracy"}


def chosen_methods(text: str | None) -> list[str]:
    """The recipes' names after ``digits/``, all of them by default."""
    every = [name.removeprefix(FAMILY) for name in recipe_names() if name.startswith(FAMILY)]
    methods = every if text is None else [name.strip() for name in text.split(",")]
    for method in methods:
        if method not in every:
            raise UserError(f"no recipe digits/{method}{nearest(method, every)}")
    return methods


def run_once(folder: Path, method: str, seed: int, overrides: list[str]) -> None:
    """Train one method with one seed, from wherever its folder stands."""
    name = FAMILY + method
    request = Request(
        name, load_recipe(name, overrides), seed=seed, out=folder, resume=is_run(folder)
    )
    train(request, Console(quiet=True))


def final_scores(folder: Path, iterations: int) -> dict[str, float] | None:
    """The scores of the last iteration; None where the run has not come to its end."""
    if not (folder / "metrics.jsonl").is_file():
        return None
    found = {
        record["name"].removeprefix("evaluation/"): record["value"]
        for record in read_metrics(folder / "metrics.jsonl")
        if record["step"] == iterations and "value" in record
    }
    return {name: found[name] for name in SCORES} if SCORES.keys() <= found.keys() else None


def cell(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def table(scores: dict[str, list[dict[str, float]]]) -> str:
    """Mean and standard deviation over seeds, a method a line, as Markdown."""
    lines = [
        f"| method | {' | '.join(SCORES.values())} | runs |",
        f"|---|{'---:|' * (len(SCORES) + 1)}",
    ]
    for method, runs in scores.items():
        cells = [cell([run[name] for run in runs]) if runs else "-" for name in SCORES]
        lines.append(f"| {method} | {' | '.join(cells)} | {len(runs)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/methods-on-digits"))
    parser.add_argument("--methods", help="recipes after digits/, separated by commas")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--iterations", type=int, default=1500)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    overrides = [
        *options.overrides,
        f"training.total_iterations={options.iterations}",
        f"training.evaluate_every_iterations={options.iterations}",
        "training.evaluate_at_start=false",
    ]
    scores: dict[str, list[dict[str, float]]] = {}
    try:
        for method in chosen_methods(options.methods):
            scores[method] = []
            for seed in seeds:
                folder = options.out / f"{method}-{options.iterations}" / str(seed)
                if final_scores(folder, options.iterations) is None:
                    run_once(folder, method, seed, overrides)
                if (final := final_scores(folder, options.iterations)) is not None:
                    scores[method].append(final)
                    shown = "  ".join(
                        f"{SCORES[name]} {value:.4g}" for name, value in final.items()
                    )
                    print(f"{method} seed {seed}: {shown}", flush=True)
    except UserError as error:
        parser.exit(2, f"error: {error}\n")
    evaluation = load_recipe("digits/contragan", overrides).evaluation
    print(
        f"\n{table(scores)}\n\nscikit-learn's digits, 16 x 16; {options.iterations} iterations; "
        f"seeds {options.seeds}; features {evaluation.features}, reference {evaluation.reference}; "
        f"torch {version('torch')}, {platform.machine()}, {torch.get_num_threads()} threads"
    )


if __name__ == "__main__":
    main()
