"""Does every method learn? A data set's recipes, several seeds, equal iterations, one table.

python benchmarks/compare_methods.py --out runs/methods
python benchmarks/compare_methods.py --methods contragan,projgan --seeds 0 --iterations 100
python benchmarks/compare_methods.py --family cifar10 --data PATH --methods contragan,reacgan
python benchmarks/compare_methods.py --methods contragan-eq7 --plain --out runs/plain

``--plain`` trains with the step that ``contragan bench`` measures ours against. Started again with
the same --out, it goes on where it stopped: finished runs are only read. Plain runs do not resume:
take away an unfinished one's folder first.
"""

from __future__ import annotations

import argparse
import platform
import statistics
from importlib.metadata import version
from pathlib import Path

import torch
from rich.console import Console

from contragan.bench.reference import reference_step
from contragan.core.errors import UserError
from contragan.recipes.catalog import nearest, recipe_names
from contragan.recipes.schema import load_recipe
from contragan.runs.log import read_metrics
from contragan.runs.run import is_run
from contragan.training.setup import Request, set_up
from contragan.training.stop import Stop
from contragan.training.train import claim, complete, train, wire

SCORES = {"frechet_distance": "Fréchet distance", "class_accuracy": "class accuracy"}


def chosen_methods(family: str, text: str | None) -> list[str]:
    """The recipes' names after ``family/``, all of them by default."""
    names = [name.partition("/") for name in recipe_names()]
    every = [method for group, _, method in names if group == family]
    methods = every if text is None else [name.strip() for name in text.split(",")]
    for method in methods:
        if method not in every:
            raise UserError(f"no recipe {family}/{method}{nearest(method, every)}")
    return methods


def run_once(folder: Path, name: str, seed: int, data: Path | None, overrides: list[str]) -> None:
    """Train one recipe with one seed, from wherever its folder stands."""
    recipe, resume = load_recipe(name, overrides), is_run(folder)
    request = Request(name, recipe, data=data, seed=seed, out=folder, resume=resume)
    outcome = train(request, Console(quiet=True))
    if outcome.stopped:
        raise SystemExit(outcome.exit_code)


def run_plain(folder: Path, name: str, seed: int, data: Path | None, overrides: list[str]) -> None:
    """The same with the plain step, in float32 and from the start."""
    overrides = [*overrides, "training.precision=fp32"]
    request = Request(name, load_recipe(name, overrides), data=data, seed=seed, out=folder)
    setup = set_up(request, Console(quiet=True))
    loop = wire(setup, request)
    loop.step = reference_step(loop.step, loop.step.gan, request.recipe.training)
    claim(setup, loop)
    stop = Stop()
    if complete(loop, stop):
        raise SystemExit(stop.exit_code)


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
    """Mean and standard deviation over seeds, one line per method, as Markdown."""
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
    parser.add_argument("--out", type=Path, default=Path("runs/methods"))
    parser.add_argument("--family", default="digits", help="the recipes' data set")
    parser.add_argument("--data", type=Path, help="its folder; digits needs none")
    parser.add_argument("--methods", help="recipes after FAMILY/, separated by commas")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--iterations", type=int, default=1200)
    parser.add_argument("--plain", action="store_true", help="train with the plain step")
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
        for method in chosen_methods(options.family, options.methods):
            scores[method] = []
            for seed in seeds:
                folder = options.out / f"{method}-{options.iterations}" / str(seed)
                if final_scores(folder, options.iterations) is None:
                    run = run_plain if options.plain else run_once
                    run(folder, f"{options.family}/{method}", seed, options.data, overrides)
                if (final := final_scores(folder, options.iterations)) is not None:
                    scores[method].append(final)
                    shown = "  ".join(
                        f"{SCORES[name]} {value:.4g}" for name, value in final.items()
                    )
                    print(f"{method} seed {seed}: {shown}", flush=True)
    except UserError as error:
        parser.exit(2, f"error: {error}\n")
    evaluation = load_recipe(f"{options.family}/{next(iter(scores))}", overrides).evaluation
    print(
        f"\n{table(scores)}\n\n{options.family}; {' '.join(options.overrides)}\n"
        f"{options.iterations} iterations; "
        f"seeds {options.seeds}; features {evaluation.features}, reference {evaluation.reference}; "
        f"torch {version('torch')}, {platform.machine()}, {torch.get_num_threads()} threads"
    )


if __name__ == "__main__":
    main()
