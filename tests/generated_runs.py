"""Studies whose runs are generated: folders as training leaves them, with chosen scores."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from contragan.studies.catalog import load_study
from contragan.studies.plan import plan
from contragan.studies.record import Record, RecordedRun, write_record
from contragan.studies.schema import Study

Scores = Mapping[str, float]

ENVIRONMENT = {
    "python": "3.11.7",
    "processor": "x86_64",
    "device_name": "CPU",
    "world_size": 1,
    "num_threads": 1,
    "precision": "bf16-mixed",
    "packages": {"contragan": "0.1.0", "torch": "2.14.1"},
}

PROTOCOL = {
    "features": "efficientnet-lite0",
    "batch_norm": "running",
    "labels": "reference",
    "rounding": True,
    "extractor": {"extractor": "efficientnet-lite0", "precision": "bfloat16", "resize": "bicubic"},
    "data": {"name": "cifar10", "split": "test"},
}

SCORES = {
    "frechet_distance": 20.0,
    "intra_class_distance_mean": 90.0,
    "class_accuracy": 0.5,
    "relabelled_class_accuracy": 0.625,
    "precision": 0.75,
    "recall": 0.25,
}


def fill(folder: Path, evaluations: Sequence[tuple[int, Scores]], total: int) -> None:
    """Write a run that is done, with these evaluations, and four iterations a second."""
    checkpoint = folder / "checkpoints" / f"step-{total:07d}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "evaluated.json").write_text('{"best": 1.0}')
    (folder / "checkpoints" / "last").write_text(checkpoint.name)
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    lines: list[object] = [
        {"step": step, "name": "iterations_per_second", "value": 4.0, "unit": "1/s"}
        for step in range(100, total + 1, max(100, total // 40))
    ]
    for step, scores in evaluations:
        lines += [
            {"step": step, "name": f"evaluation/{name}", "value": value, "unit": "1"}
            for name, value in scores.items()
        ]
        lines.append(
            {
                "step": step,
                "name": "evaluation",
                "values": {**scores, "real_class_accuracy": 0.641},
                "class_fidelity": {"confusion": [[20] * 10] * 10},
                "protocol": PROTOCOL,
                "counts": {"generated": 2000, "reference": 10_000, "probe_fitted": 5000},
                "context": {"ema": True},
            }
        )
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def samples(folder: Path, step: int, size: tuple[int, int] = (60, 40)) -> None:
    (folder / "samples").mkdir(exist_ok=True)
    Image.new("RGB", size, (200, 30, 30)).save(folder / "samples" / f"step-{step:07d}.png")


def record_study(
    out: Path,
    name: str,
    scale: str = "tiny",
    *,
    study: Study | None = None,
    seeds: int | None = None,
) -> Record:
    """Write a study's folder as `study run` does, without any run."""
    study = load_study(name)[1] if study is None else study
    runs = tuple(run.recorded for run in plan(study, scale, seeds))
    count = study.scales[scale].seeds if seeds is None else seeds
    record = Record(name=name, scale=scale, seeds=count, pool="../runs", runs=runs, study=study)
    write_record(out, record)
    return record


def fill_all(out: Path, record: Record, scores: Callable[[RecordedRun], Scores]) -> None:
    """Make every run done, with one evaluation at its half and a worse one at its end."""
    for run in record.distinct():
        total, found = run.total_iterations, scores(run)
        last = {key: value + (5.0 if "distance" in key else 0.0) for key, value in found.items()}
        fill(out.parent / "runs" / run.name, [(total // 2, found), (total, last)], total)
