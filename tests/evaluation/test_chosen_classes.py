"""``evaluate --classes``: some classes only, of generated and of real images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from contragan.core.errors import UserError
from contragan.data import ImageDataset
from contragan.evaluation.choice import Choice
from contragan.evaluation.chosen_classes import GeneratorOfClasses, named_classes, only_classes
from contragan.evaluation.image_files import evaluate_files
from contragan.evaluation.run import evaluate_run
from contragan.models import Generator
from contragan.runs.export import export_samples
from contragan.runs.model import load

QUIET = Console(quiet=True)


def images(labels: list[int]) -> ImageDataset:
    pixels = np.arange(len(labels), dtype=np.uint8)[:, None, None, None]
    names = ("cat", "dog", "no such", "eel, electric")
    return ImageDataset(pixels, np.array(labels), names, "f", "pets", "test")


def test_chosen_classes_keep_their_order_and_get_a_fingerprint() -> None:
    whole = images([0, 1, 3, 1, 0, 3])
    part = only_classes(whole, [3, 1, 3])
    assert part.class_names == ("dog", "eel, electric")
    assert part.labels.tolist() == [0, 1, 0, 1]
    assert part.images.ravel().tolist() == [1, 2, 3, 5]
    assert part.class_counts.tolist() == [2, 2]
    assert part.fingerprint == only_classes(whole, [1, 3]).fingerprint
    assert len({whole.fingerprint, part.fingerprint, only_classes(whole, [1]).fingerprint}) == 3
    with pytest.raises(UserError, match="pets test has no images of no such"):
        only_classes(whole, [0, 2])


def test_classes_are_named_with_commas_between_or_within() -> None:
    assert named_classes(["dog, cat"], images([0])) == [1, 0]
    assert named_classes(["eel, electric", "dog", "dog"], images([0])) == [3, 1]
    with pytest.raises(UserError, match=r"no class 'dgo' in pets \(nearest: dog\)"):
        named_classes(["dgo"], images([0]))


class Echo(Generator):
    def __init__(self, *, conditional: bool = True) -> None:
        super().__init__(latent_dim=1, num_classes=4, conditional=conditional)
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, z: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return label.float()


def test_labels_are_positions_among_the_chosen_classes() -> None:
    drawn = GeneratorOfClasses(Echo(), [1, 3])(torch.zeros(3, 1), torch.tensor([1, 0, 1]))
    assert drawn.tolist() == [3, 1, 3]
    with pytest.raises(UserError, match="a generator that ignores labels"):
        GeneratorOfClasses(Echo(conditional=False), [1])


def test_a_run_is_evaluated_on_the_chosen_classes(trained_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    choice = Choice(num_images=20, reference="test", classes=("7,3",), metrics=("class_fidelity",))
    record = evaluate_run(run, choice, QUIET, which="best", ema=None)
    assert record.class_fidelity is not None
    assert record.protocol["classes"] == ["3", "7"]
    assert list(record.class_fidelity["class_accuracy"]) == ["3", "7"]
    assert sum(map(sum, record.class_fidelity["confusion"])) == record.counts["generated"] == 20
    real = record.details["real_images_per_class"]
    assert set(real) == {"3", "7"}
    assert sum(real.values()) == record.counts["reference"] < 100
    written = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert written["protocol"]["classes"] == ["3", "7"]
    with pytest.raises(UserError, match="there is no class 'eleven'"):
        evaluate_run(run, Choice(classes=("eleven",)), QUIET, which="best", ema=None)


def test_sets_of_images_are_compared_on_the_chosen_classes(
    trained_run: Path, tmp_path: Path
) -> None:
    model = load(trained_run)
    for name, seed in (("a", 0), ("b", 1)):
        arrays = tmp_path / f"{name}.npz"
        export_samples(
            model, arrays, classes=None, num=60, seed=seed, truncation=None, console=QUIET
        )
    choice = Choice(features="pixels", classes=("3", "7"), metrics=("frechet_distance",))
    record = evaluate_files(tmp_path / "a.npz", tmp_path / "b.npz", choice, QUIET)
    assert record.counts == {"generated": 12, "reference": 12}
    assert record.protocol["classes"] == ["3", "7"]
