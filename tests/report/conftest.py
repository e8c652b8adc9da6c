"""Runs as training leaves them on disk, written by hand: nothing is trained here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contragan.recipes.schema import dump_recipe, load_recipe

MakeRun = Callable[..., Path]


def evaluation(step: int, names: list[str], distance: float) -> dict[str, Any]:
    """A record in which each of the first three classes shows the next one.

    The last column says at which iteration: it counts ``step / 100`` images.
    """
    size = len(names)
    counts = [[20 if i == j else 1 for j in range(size)] for i in range(size)]
    counts[:3] = counts[1], counts[2], counts[0]
    counts = [[*row[:-1], row[-1] * (step // 100)] for row in counts]
    accuracy = {name: (0.01 * (1 + i) if i < 3 else 0.5 + i / 20) for i, name in enumerate(names)}
    return {
        "step": step,
        "name": "evaluation",
        "values": {"frechet_distance": distance, "class_accuracy": 0.7},
        "class_fidelity": {
            "conditional": True,
            "class_accuracy": accuracy,
            "confusion": counts,
            "permuted": True,
            "permutation": {names[0]: names[1], names[1]: names[2], names[2]: names[0]},
            "merged": [],
            "lost": [],
            "confused": False,
        },
        "protocol": {
            "features": "pixels",
            "reference": "train",
            "batch_norm": "running",
            "labels": "reference",
            "metrics": ["frechet_distance"],
            "standing_batches": 16,
            "batch_size": 64,
            "extractor": {"extractor": "pixels", "dim": 256, "precision": "float32"},
            "data": {"name": "digits", "split": "train", "fingerprint": "f"},
        },
        "counts": {"generated": 100, "reference": 100},
        "seed": 0,
        "context": {"iteration": step},
        "versions": {},
        "warnings": ["Three classes are permuted."],
        "wall_seconds": 1.0,
        "details": {"intra_class_distance": {"per_class": dict.fromkeys(names, 3.0)}},
    }


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """A function that writes a run: its folder, classes, number of evaluations and of grids."""

    def make(
        name: str = "run",
        *,
        names: list[str] | None = None,
        evaluations: int = 3,
        grids: int = 3,
        settings: tuple[str, ...] = (),
        size: tuple[int, int] = (120, 60),
    ) -> Path:
        folder, names = tmp_path / name, names or ["zero", "one", "two", "three"]
        (folder / "samples").mkdir(parents=True)
        total = 100 * max(evaluations, 1)
        recipe = load_recipe("digits/contragan", [f"training.total_iterations={total}", *settings])
        (folder / "recipe.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
        facts = {
            "recipe": "digits/contragan",
            "seed": 0,
            "name": "digits",
            "class_names": names,
            "class_counts": [25] * len(names),
            "fingerprint": "f",
            "path": None,
        }
        (folder / "dataset.json").write_text(json.dumps(facts))
        (folder / "environment.json").write_text(json.dumps({"device": "cpu", "packages": {}}))
        records: list[dict[str, Any]] = []
        for step in range(10, total + 1, 10):
            records += [
                {"step": step, "name": "d/adversarial", "value": 1 + 1 / step, "unit": "1"},
                {"step": step, "name": "d/contrastive", "value": 2 + 1 / step, "unit": "1"},
            ]
        for step in range(100, 100 * evaluations + 1, 100):
            found = evaluation(step, names, 1000 / step)
            value = found["values"]["frechet_distance"]
            record = {"step": step, "name": "evaluation/frechet_distance"}
            records += [record | {"value": value, "unit": "distance"}, found]
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / "metrics.jsonl").write_text(lines)
        for index in range(grids):
            color = (index * 5 % 256, 100, 200)
            Image.new("RGB", size, color).save(folder / "samples" / f"step-{index * 100:07d}.png")
        return folder

    return make
