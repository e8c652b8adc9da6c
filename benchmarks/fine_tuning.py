"""Fine-tuning against training from scratch, on real photographs with 100 images of each class.

python benchmarks/fine_tuning.py --data tiny-imagenet-200 --out fine-tuning

Trains one GAN on 40 classes of Tiny ImageNet at 32 x 32, then, for each seed, three on 10 other
classes with 100 images each: from scratch, from that run, and from it with its discriminator's
lowest blocks frozen. At each stage 2,000 generated images are compared with all 5,000 training
images of the 10 classes (EfficientNet-Lite0), of which the GANs have seen 1,000. Prints a table in
Markdown. Can be stopped and started again: what is done is not done again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

import contragan
from contragan.core.files import write_text
from contragan.data import ImageDataset, load_dataset
from contragan.runs.run import Run

RECIPE = "tiny-imagenet/contragan-eq7"
SETTINGS: dict[str, Any] = {
    "data.resolution": 32,
    "data.horizontal_flip": True,
    "generator.latent_dim": 80,
    "generator.attention_after_block": None,
    "generator.batch_norm_momentum": 0.1,
    "generator.conditional_batch_norm_momentum": 0.1,
    "discriminator.attention_after_block": None,
    "conditioning.embedding_dim": 128,
    "augmentation": {"kind": "diff_augment"},
    "training.batch_size": 64,
    "training.precision": "bf16",
    "training.ema": {"decay": 0.999, "start_iteration": 500},
    "training.checkpoint_every_iterations": 500,
    "training.sample_every_iterations": 1000,
    "training.evaluate_every_iterations": None,
}
IMAGES = 2000
ARMS = ("from scratch", "fine-tuned", "fine-tuned, Freeze-D")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="Tiny ImageNet")
    parser.add_argument("--out", type=Path, default=Path("fine-tuning"))
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--source-iterations", type=int, default=6000)
    parser.add_argument("--stages", type=int, nargs="+", default=[250, 500, 1000, 2000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--freeze-d", type=int, default=2)
    options = parser.parse_args()

    wnids = sorted(folder.name for folder in (options.data / "train").iterdir())[:50]
    new, old = wnids[::5], [wnid for index, wnid in enumerate(wnids) if index % 5]
    widths = {"generator.channels": options.channels, "discriminator.channels": options.channels}
    settings = {**SETTINGS, **widths}
    source = contragan.train(
        RECIPE,
        options.data,
        out=options.out / "source",
        resume=True,
        total_iterations=options.source_iterations,
        **{**settings, "data.classes": old},
    )
    fewer = {**settings, "data.classes": new, "data.images_per_class": 100}
    everything = contragan.load_recipe(RECIPE, ["data.resolution=32", f"data.classes={new}"]).data
    real = load_dataset(everything, "train", root=options.data)
    results: dict[str, list[list[dict[str, float]]]] = {arm: [] for arm in ARMS}
    for seed in range(options.seeds):
        for arm in ARMS:
            results[arm].append(list(one_run(options, arm, seed, source, fewer, real)))
    write_text(options.out / "results.json", json.dumps(results, indent=1) + "\n")
    for line in table(results, options.stages):
        print(line)


def one_run(
    options: argparse.Namespace,
    arm: str,
    seed: int,
    source: Run,
    settings: dict[str, Any],
    real: ImageDataset,
) -> Iterator[dict[str, float]]:
    """The scores of a run at each stage, kept beside it."""
    folder = options.out / arm.replace(", ", "-").replace(" ", "-").lower() / str(seed)
    start: dict[str, Any] = {} if arm == ARMS[0] else {"start_from": source.path}
    if arm == ARMS[2]:
        start["freeze_d"] = options.freeze_d
    for stage in options.stages:
        file = folder.parent / f"{seed}-scores-{stage}.json"
        if not file.exists():
            run = contragan.train(
                RECIPE,
                options.data,
                out=folder,
                seed=seed,
                resume=True,
                total_iterations=stage,
                **start,
                **settings,
            )
            write_text(file, json.dumps(scores(run, real)) + "\n")
        yield json.loads(file.read_text(encoding="utf-8"))


def scores(run: Run, real: ImageDataset) -> dict[str, float]:
    """Of as many images of each class, against all real ones."""
    model = contragan.load(run.path, which="last")
    labels = model.labels(None, IMAGES)
    drawn = torch.cat(list(model.batches(labels)))
    record = contragan.evaluate(
        (drawn, labels, model.class_names),
        (real.images, real.labels, real.class_names),
        features="efficientnet-lite0",
        metrics=["frechet_distance", "class_fidelity"],
        quiet=True,
    )
    return record.values


def table(results: dict[str, list[list[dict[str, float]]]], stages: list[int]) -> Iterator[str]:
    """Mean and sample standard deviation over seeds."""
    shown = {"frechet_distance": "Fréchet distance", "class_accuracy": "class accuracy"}
    yield "| iterations | |" + "".join(f" {title} |" for title in shown.values())
    yield "|---:|---|" + "---:|" * len(shown)
    for index, stage in enumerate(stages):
        for arm, runs in results.items():
            cells = []
            for name in shown:
                values = [run[index][name] for run in runs]
                spread = f" ± {stdev(values):.3g}" if len(values) > 1 else ""
                cells.append(f" {mean(values):.3g}{spread} |")
            yield f"| {stage:,} | {arm} |" + "".join(cells)


if __name__ == "__main__":
    main()
